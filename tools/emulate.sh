#!/usr/bin/env bash
# Run the core of the test suite on a CPU that this machine does not have, by user-mode emulation.
#
#   tools/emulate.sh TARGET [FOLDER [PYTEST-ARGUMENT...]]
#
#   TARGET   aarch64    NEON, nothing beyond ARMv8.0 (cross-compiled, a Debian arm64 Python)
#            westmere   x86-64 without AVX: the dispatcher and the baseline objects
#            haswell    x86-64 with AVX2 and FMA, without AVX-512
#   FOLDER   where to build; kept, and used again the next time. Default: a temporary one, removed
#   PYTEST-ARGUMENT...  default: tests -m core --share 0.05
#
# Needs Debian 12 or later on x86-64, and root (or sudo) to install the emulator and the cross
# compiler. An illegal instruction ends the run with signal 4, so a green run is evidence. The
# emulator is 10 to 50 times slower than the real CPU and says nothing about speed.
set -euo pipefail

usage() {
    sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

target=${1:-}
case $target in aarch64 | westmere | haswell) ;; *) usage ;; esac
tree=$(cd "$(dirname "$0")/.." && pwd)
if [ -n "${2:-}" ]; then
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- tests -m core --share 0.05
export CYCONV_OPENMP=1

# Pure Python and the same for every target; NumPy and ml_dtypes are added per target.
TEST_PACKAGES=(pytest iniconfig pluggy packaging pygments threadpoolctl)

install_packages() { # Debian packages, those that are missing
    local missing=() package as_root=()
    for package in "$@"; do
        dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

copy_tree() { # the project's sources to $folder/src, without what other builds left in them
    rm -rf "$folder/src"
    mkdir -p "$folder/src"
    (cd "$tree" && tar -cf - --exclude='*.so' --exclude=__pycache__ --exclude='cyconv/_*.c' \
        cyconv tests pyproject.toml setup.py MANIFEST.in README.md LICENSE) | tar -xf - -C "$folder/src"
}

# An arm64 Python with its headers in $folder/root. APT works in folders of its own, with arm64 as
# its only architecture, so that the system's package database never hears of it.
fetch_arm64_python() {
    local root=$folder/root apt=$folder/apt deb
    [ -x "$root/usr/bin/python3" ] && return
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : > "$apt/status"
    local options=(
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=false
        -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
        -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives"
        -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=true
    )
    apt-get "${options[@]}" update -qq
    apt-get "${options[@]}" install -y -qq --download-only \
        python3-minimal libpython3-stdlib libpython3-dev libstdc++6 libgomp1 > /dev/null
    mkdir -p "$root"
    for deb in "$apt"/archives/*.deb; do
        dpkg -x "$deb" "$root"
    done
}

# $folder/python, the emulated interpreter. It takes the script itself for its executable, so that a
# test that starts sys.executable starts an emulated process too.
write_interpreter() { # HOME EMULATOR-AND-OPTIONS... PYTHON
    local home=$1 python=${!#}
    set -- "${@:2:$#-2}"
    {
        echo '#!/bin/sh'
        printf 'PYTHONHOME=%q exec' "$home"
        printf ' %q' "$@"
        printf ' -0 "$0" %q "$@"\n' "$python"
    } > "$folder/python"
    chmod +x "$folder/python"
}

build_aarch64() {
    install_packages qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    fetch_arm64_python
    local root=$folder/root version
    version=$(basename "$(readlink "$root/usr/bin/python3")" | sed s/python//)
    write_interpreter "$root/usr" qemu-aarch64-static -cpu cortex-a57 -L "$root" "$root/usr/bin/python3"
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version "$version" \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 --platform any \
        -d "$folder/wheels" numpy ml_dtypes setuptools "${TEST_PACKAGES[@]}"
    python3 -m pip download -q --no-deps --only-binary=:all: --implementation py --abi none \
        --platform any -d "$folder/wheels" 'cython>=3.3,<4'
    rm -rf "$folder/site"
    python3 - "$folder" << 'PYTHON'
import sys
import zipfile
from pathlib import Path

folder = Path(sys.argv[1])
for wheel in folder.glob("wheels/*.whl"):
    zipfile.ZipFile(wheel).extractall(folder / "site")
PYTHON
    # The emulated Python runs setup.py, and with it the cross compiler, which is native: flags and
    # sources are those of every other build.
    (
        cd "$folder/src"
        export PYTHONPATH=$folder/site
        export CFLAGS="-I$root/usr/include/python$version -idirafter $root/usr/include"
        "$folder/python" setup.py -q build_ext --inplace
    )
}

build_x86() { # MODEL
    install_packages qemu-user-static
    # NumPy's own OpenBLAS looks at the CPU in a way that the emulator does not answer truly.
    [ "$1" = Haswell ] || export OPENBLAS_CORETYPE=Nehalem
    local python
    python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
    write_interpreter "$(python3 -c 'import sys; print(sys.base_prefix)')" \
        qemu-x86_64-static -cpu "$1" "$python"
    rm -rf "$folder/site"
    "$python" -m pip install -q --target "$folder/site" \
        numpy ml_dtypes setuptools 'cython>=3.3,<4' "${TEST_PACKAGES[@]}"
    (cd "$folder/src" && PYTHONPATH=$folder/site "$python" setup.py -q build_ext --inplace)
}

copy_tree
case $target in
    aarch64) build_aarch64 ;;
    westmere) build_x86 Westmere ;;
    haswell) build_x86 Haswell ;;
esac
cd "$folder/src"
export PYTHONPATH=$folder/site:$folder/src PYTHONDONTWRITEBYTECODE=1
"$folder/python" -m cyconv
"$folder/python" -m pytest -q -p no:cacheprovider "$@"
