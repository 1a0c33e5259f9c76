"""The process of one submission: it runs the learner's code and hands out plain values.

    python -I -m voxlab.grading.worker

Requests (pickled, they come from the grader) arrive on standard input, replies (JSON, nobody needs
to trust them) leave on standard output, each after its length in four bytes. What the submission
prints goes nowhere. A submission is its imports, definitions and assignments: other statements at
the top level (calls, loops, checks, plots) are for the notebook and are not run.
"""

import ast
import inspect
import io
import json
import os
import pickle
import sys
import traceback
import types
from pathlib import Path
from typing import Any, BinaryIO

from voxlab.clock import run_virtual
from voxlab.grading import fence, plain

MODULE = "submission"
CHARS_AT_MOST = 400  # of an error message
_RUN = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Source = list[tuple[str, str]]  # (name of the cell or file, text)


class Handles(pickle.Unpickler):
    """Reads a request; where it names an object by its number, the object itself is put in."""

    objects: list[Any]

    def persistent_load(self, pid: Any) -> Any:
        """Return the object with this number."""
        return self.objects[pid]


class Worker:
    """Holds the submission's module and every object of it that the grader has a handle for."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._module = types.ModuleType(MODULE)
        self._objects: list[Any] = [self._module]
        self._files: set[str] = set()
        sys.modules[MODULE] = self._module  # dataclasses look their module up

    def serve(self) -> None:
        """Answer requests until there are no more."""
        while header := self._requests.read(4):
            request = Handles(io.BytesIO(self._requests.read(int.from_bytes(header, "big"))))
            request.objects = self._objects
            operation, *arguments = request.load()
            try:
                reply = {"value": plain.encode(getattr(self, operation)(*arguments), self._keep)}
                message = json.dumps(reply)
            except BaseException as error:  # SystemExit too: a submission does not end the grading
                message = json.dumps({"error": self._describe(error)})
            data = message.encode()
            self._replies.write(len(data).to_bytes(4, "big") + data)
            self._replies.flush()

    def _keep(self, value: Any) -> int:
        self._objects.append(value)
        return len(self._objects) - 1

    def _describe(self, error: BaseException) -> dict[str, str]:
        text = str(error)[:CHARS_AT_MOST]
        where = ""
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in self._files:
                where = f"{frame.filename}, line {frame.lineno}"
        if isinstance(error, SyntaxError):
            where, text = f"{error.filename}, line {error.lineno}", error.msg
        return {"type": type(error).__name__, "text": text, "where": where}

    # --- operations ------------------------------------------------------------------------

    def load(self, source: Source, forbidden: list[Path], is_fenced: bool) -> list[dict[str, str]]:
        """Run a submission; return what went wrong, statement by statement.

        Imports come first, so that what is installed can load itself; then the fence is closed.
        """
        errors: list[dict[str, str]] = []
        statements: list[tuple[str, ast.stmt]] = []
        for name, text in source:
            self._files.add(name)
            try:
                statements += [(name, node) for node in ast.parse(text, name).body]
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                errors.append(self._describe(error))
        imports = [pair for pair in statements if isinstance(pair[1], ast.Import | ast.ImportFrom)]
        self._run(imports, errors)
        if is_fenced:
            fence.close_in(fence.readable_folders(), forbidden)
        self._run([pair for pair in statements if isinstance(pair[1], _RUN)], errors)
        return errors

    def _run(self, statements: list[tuple[str, ast.stmt]], errors: list[dict[str, str]]) -> None:
        for name, node in statements:
            try:
                code = compile(ast.Module([node], []), name, "exec", dont_inherit=True)
                exec(code, self._module.__dict__)
            except BaseException as error:  # the rest of the submission may still be right
                errors.append(self._describe(error))

    def get(self, target: Any, name: str) -> Any:
        """Return an attribute."""
        return getattr(target, name)

    def call(self, target: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call something; what is async runs to its end in virtual time."""
        result = target(*arguments, **options)
        return run_virtual(result) if inspect.iscoroutine(result) else result


def main() -> None:
    """Take the channel away from the submission's reach of print and input, then serve."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    fence.limit_resources()
    Worker(requests, replies).serve()


if __name__ == "__main__":
    main()
