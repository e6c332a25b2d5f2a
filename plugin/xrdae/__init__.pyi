from .accessor import analyze as analyze
from .config import Config as Config
from .errors import DataError as DataError
from .errors import FormatError as FormatError
from .errors import TrainingError as TrainingError
from .hookspecs import hookimpl as hookimpl
from .loading.opening import open_patterns as open_patterns
from .model import Model as Model
from .model import load_model as load_model

__version__: str
