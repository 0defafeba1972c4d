"""Build of the compiled modules; everything else is declared in pyproject.toml.

``CYCONV_OPENMP=0`` builds without OpenMP and ``CYCONV_OPENMP=1`` insists on it.
Unset, OpenMP is used where a test program with it compiles and links.
"""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

KERNELS = Path("cyconv", "kernels")
HEADERS = sorted(path.as_posix() for path in KERNELS.rglob("*.h"))
CONTRACTS = [KERNELS.joinpath(n).as_posix() for n in ("kernels.h", "transforms.h", "split.h")]

# No -march and no per-file flags: each kernel file brackets its own instruction set, so that every
# other object stays at the target's baseline. -ffp-contract=off keeps a product and a sum that are
# written apart from being fused on one instruction set and not on another.
COMPILE_ARGS = {
    "msvc": ["/O2", "/std:c11"],
    "unix": ["-std=c11", "-ffp-contract=off", "-fvisibility=hidden"],
}
# Modules with loops over arrays. Others decide, which -O2 makes smaller and no slower.
WITH_LOOPS = ("cyconv._isa", "cyconv._nan_mask", "cyconv._weights")

# (compile flags, link flags), the first pair that builds a program is taken. Apple's clang knows
# OpenMP only through its preprocessor flag and a libomp that the caller has installed.
OPENMP_ARGS = {
    "msvc": [(["/openmp"], [])],
    "unix": [(["-fopenmp"], ["-fopenmp"])],
    "darwin": [(["-Xpreprocessor", "-fopenmp"], ["-lomp"]), (["-fopenmp"], ["-fopenmp"])],
}

OPENMP_PROGRAM = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "freethreading_compatible": True,
}


class BuildExtensions(build_ext):
    """Add the flags that depend on the compiler, which is known only once the build runs."""

    def build_extensions(self) -> None:
        family = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
        openmp_compile, openmp_link = self.openmp_args(family)
        if family == "unix" and "CFLAGS" not in os.environ:
            # Python's own flags ask for debugging symbols, five times the size of the code; names
            # of functions that no other module calls are another fortieth.
            openmp_compile = [*openmp_compile, "-g0"]
            if sys.platform == "linux":
                openmp_link = [*openmp_link, "-Wl,--strip-all"]
                # so are the tables by which exceptions, which C has not, find their way
                openmp_compile = [*openmp_compile, "-fno-asynchronous-unwind-tables"]
        if family == "unix":
            self.parallel = self.parallel or os.cpu_count()
            compile_in_turn = self.compiler.compile

            # those of one extension too: the kernels have a source for each instruction set
            def compile_side_by_side(sources, *args, **kwargs):
                with ThreadPoolExecutor(self.parallel) as pool:
                    jobs = [pool.submit(compile_in_turn, [s], *args, **kwargs) for s in sources]
                    return [name for job in jobs for name in job.result()]

            self.compiler.compile = compile_side_by_side
        for extension in self.extensions:
            extension.extra_compile_args += COMPILE_ARGS[family] + openmp_compile
            if family == "unix":
                extension.extra_compile_args.append(
                    "-O3" if extension.name in WITH_LOOPS else "-O2"
                )
            extension.extra_link_args += openmp_link
        super().build_extensions()

    def openmp_args(self, family: str) -> tuple[list[str], list[str]]:
        wish = os.environ.get("CYCONV_OPENMP", "")
        if wish not in ("", "0", "1"):
            sys.exit(f"CYCONV_OPENMP must be 0, 1 or unset, got {wish!r}")
        if wish != "0":
            for args in OPENMP_ARGS["darwin" if sys.platform == "darwin" else family]:
                if self.builds_openmp(*args):
                    return args
            if wish == "1":
                sys.exit("CYCONV_OPENMP=1, but no program with OpenMP could be built")
            print("cyconv: no OpenMP found, building for one thread", file=sys.stderr)
        return [], []

    def builds_openmp(self, compile_args: list[str], link_args: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "openmp.c")
            source.write_text(OPENMP_PROGRAM, encoding="ascii")
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, extra_postargs=compile_args
                )
                self.compiler.link_executable(
                    objects, "openmp", output_dir=folder, extra_postargs=link_args
                )
            except (CompileError, LinkError):
                return False
        return True


def extension(source: Path) -> Extension:
    # All others reach the C kernels through the tables of this module.
    kernels = sorted(KERNELS.glob("*.c")) if source.stem == "_isa" else []
    return Extension(
        f"cyconv.{source.stem}",
        sources=[path.as_posix() for path in (source, *kernels)],
        depends=HEADERS if source.stem == "_isa" else CONTRACTS,
        include_dirs=["cyconv", np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )


setup(
    ext_modules=cythonize(
        [extension(source) for source in sorted(Path("cyconv").glob("*.pyx"))],
        compiler_directives=DIRECTIVES,
    ),
    cmdclass={"build_ext": BuildExtensions},
)
