# Which interpreter .venv is made from: $PYTHON if given, else the first on PATH that is recent enough.

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            # The binary itself, not a shim, a symbolic link or a virtual environment in front of it.
            python=$("$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))')
            python_version=$("$python" -c 'import platform; print(platform.python_version())')
            python_series=${python_version%.*}
            return
        fi
    done
    die "No Python 3.11 or newer found (tried: ${PYTHON:-python3, python3.13, python3.12, python3.11})." \
        "Install it, or name one: make PYTHON=/path/to/python3.11 ..."
}

# A Debian interpreter comes without ensurepip and Python.h until their packages are installed; any other must bring them.
python_is_packaged() { has dpkg-query && dpkg-query -S "$python" >/dev/null 2>&1; }
python_has_venv() { "$python" -c 'import ensurepip, venv'; }
python_has_headers() {
    test -f "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
}
