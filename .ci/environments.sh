# Functions of .ci/run: environments of known or of wanted versions. Needs $work and $repository.

original_path=$PATH

fresh() {  # NAME [PYTHON]: a fresh virtual environment, active from here on
  "${2:-python3}" -m venv "$work/$1"
  PATH="$work/$1/bin:$original_path"
  VIRTUAL_ENV="$work/$1"
  export PATH VIRTUAL_ENV
}

torch_alone() {  # by pip, which finds a CPU build where there is one; uv takes the one for CUDA
  python -m pip install --no-deps -c constraints.txt torch
}

locked() {  # FILE: what .ci/lock made, by hash; but torch, whose file differs between machines
  torch_alone
  python -m pip install --no-deps --require-hashes -r "$1"
}

refuse_skips() {  # LOG PATTERN: nothing that CI has the means for may be left out
  if grep -q "SKIPPED.*\($2\)" "$1"; then
    echo "left out, see SKIPPED above"
    exit 1
  fi
}

newer_python() {  # a Python 3.13 that runs, pyenv's too; nothing where there is none
  for python in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do
    if "$python" -c "" 2> /dev/null; then
      echo "$python"
      return
    fi
  done
}

# The wheel's tests, away from the sources, to NAME.log; without those in which a browser or killed
# processes take most of the time, whatever the versions.
elsewhere() {  # NAME PYTHON [UV-OPTION ...]
  (
    fresh "$1" "$2"
    torch_alone
    torch=$(grep ^torch== constraints.txt)
    "$work/tools/bin/uv" pip install "${@:3}" "$torch" "$(ls "$work"/dist/*.whl)[test]"
    mkdir "$work/elsewhere-$1"
    cp -r .ci constraints*.txt pyproject.toml README.md tests examples "$work/elsewhere-$1"
    cd "$work/elsewhere-$1"
    export OMP_NUM_THREADS=1
    python -m pytest --ignore tests/browser --ignore tests/robustness/test_programs.py
    python - "$repository" <<'PYTHON'
import sys
import xrdae

assert not xrdae.__file__.startswith(sys.argv[1]), f"the sources were tested: {xrdae.__file__}"
PYTHON
  ) > "$work/$1.log" 2>&1
}
