#!/bin/bash
# Builds the kernels with AddressSanitizer and UBSan in a tree of their own (build/sanitize), and runs their tests and the fuzzer there.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
tree=$top/build/sanitize

runtime=$(gcc -print-file-name=libasan.so)
if [[ $runtime != /* ]]; then
    echo "gcc has no AddressSanitizer runtime here; fix: apt-get install libasan8 (or the libasan of your gcc)" >&2
    exit 15
fi

mkdir -p "$tree"
rm -rf "$tree/native" "$tree/src" "$tree/tests"
cp -a native src tests setup.py pyproject.toml README.md "$tree/"
find "$tree/src" -name '*.so' -delete
cd "$tree"

UNDERSTUDY_SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1" \
    "$top/.venv/bin/python" setup.py -q build_ext --inplace

# Leaks: the interpreter keeps what it likes until it exits. PYTHONMALLOC: each object gets red zones of its own.
# alloc_dealloc_mismatch: the wheels that are not built with ASan bring their own C++ runtimes.
export LD_PRELOAD=$runtime PYTHONMALLOC=malloc PYTHONPATH=$tree/src UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=0:alloc_dealloc_mismatch=0:allocator_may_return_null=1:detect_stack_use_after_return=1

loaded=$("$top/.venv/bin/python" -c 'from understudy.native import decode; print(decode.__file__)')
if [[ $loaded != "$tree"/* ]]; then
    echo "the kernels under test are not the sanitized ones: $loaded" >&2
    exit 70
fi
exec "$top/.venv/bin/python" -m pytest -q -p no:cacheprovider tests/native tests/sanitize/fuzz.py "$@"
