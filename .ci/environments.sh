# Functions of .ci/run: environments of known or of wanted versions. Needs $work and $repository.

original_path=$PATH
parallel="-n auto --dist worksteal"

use() {  # NAME: make a virtual environment the active one
  PATH="$work/$1/bin:$original_path"
  VIRTUAL_ENV="$work/$1"
  export PATH VIRTUAL_ENV
}

fresh() {  # NAME [PYTHON]: a fresh virtual environment, active from here on
  "${2:-python3}" -m venv "$work/$1"
  use "$1"
}

nox() { "$work/tools/bin/nox" --no-venv -s "$1"; }  # in the active environment

torch_alone() {  # by pip, which finds a CPU build where there is one; uv takes the one for CUDA
  python -m pip install --no-deps -c constraints.txt torch
}

locked() {  # FILE: what .ci/lock made, by hash; but torch, whose file differs between machines
  torch_alone
  "$work/tools/bin/uv" pip install --compile-bytecode --no-deps --require-hashes -r "$1"
}

newer_python() {  # a Python 3.13 that runs, pyenv's too; 3.11 where there is none
  for python in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do
    if "$python" -c "" 2> /dev/null; then
      echo "$python"
      return
    fi
  done
  echo python3.11
}

# The wheel's tests that depend on versions, away from the sources.
elsewhere() {  # NAME PYTHON [UV-OPTION ...]
  fresh "$1" "$2"
  torch_alone
  local uv="$work/tools/bin/uv" torch
  torch=$(grep ^torch== constraints.txt)
  # From pyproject.toml and not from the wheel: of the wheel's own needs uv would take the newest.
  "$uv" pip install "${@:3}" "$torch" -r pyproject.toml --extra test
  "$uv" pip install --no-deps "$(ls "$work"/dist/*.whl)"
  mkdir "$work/elsewhere-$1"
  cp -r .ci constraints*.txt pyproject.toml README.md tests examples "$work/elsewhere-$1"
  cd "$work/elsewhere-$1"
  export OMP_NUM_THREADS=1
  python -m pytest -m versions
  python - "$repository" <<'PYTHON'
import sys
import xrdae

assert not xrdae.__file__.startswith(sys.argv[1]), f"the sources were tested: {xrdae.__file__}"
PYTHON
}
