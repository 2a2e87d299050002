"""Every message that may reach the page, collected from the sources of those who raise and warn.

A message is a string or f-string that is a sentence, wherever it stands: as an argument, in a table, in a constant.
What is filled in becomes ``{}``; a table that it is looked up in is listed, and an either-or is taken apart.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = (
    *("archive", "bundle", "card_words", "checkpoints", "classifier", "deck", "deck_build", "network", "official"),
    *("registry", "resnet", "saliency", "tasks", "variants"),
)
FOR_THE_TERMINAL = (
    *(
        "api",
        "check_space",
        "cli",
        "ledger",
        "logins",
        "main",
        "probe",
        "probe_checks",
        "serving",
        "settings",
        "uploads",
    ),
)
SPEAKERS = (
    *sorted(set(ROOT.glob("medmamba/images/*.py")) - {ROOT / f"medmamba/images/{n}.py" for n in ("fuzz", "formats")}),
    *(ROOT / f"medmamba/{name}.py" for name in MODULES),
    ROOT / "medmamba/scan/__init__.py",
    *sorted(set(ROOT.glob("app/**/*.py")) - {ROOT / f"app/{name}.py" for name in FOR_THE_TERMINAL}),
)
LOGS = {"error", "warning", "write"}
OPERATOR = "MEDMAMBA_"  # what is said of a setting is for the terminal
ERRORS = {"ImageError", "RequestError", "CheckpointError", "BackendUnavailable", "DeckError"}


class Module:
    """The messages of one source file, and the words that fill them."""

    def __init__(self, path: Path) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.words: set[str] = set()

    def messages(self) -> set[str]:
        """The sentences, and the first argument of each error whatever it looks like."""
        skipped = set(self._docstrings()) | set(self._parts())
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and node not in skipped:
                found |= {text for text in self.texts(node) if is_sentence(text)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
                found |= set(self.texts(node.args[0]))
        return {text for text in found - {"{}"} if not text.startswith(OPERATOR)}

    def texts(self, node: ast.expr) -> list[str]:
        """All that an expression may read, each part that is unknown as ``{}``."""
        match node:
            case ast.Constant(value=str(text)):
                return [text.replace("{", "(").replace("}", ")")]
            case ast.JoinedStr(values=parts):
                return ["".join(choice) for choice in itertools.product(*map(self.texts, parts))]
            case ast.FormattedValue(value=inner) if isinstance(inner, (ast.Name, ast.IfExp)):
                return self.texts(inner)
            case ast.FormattedValue(value=inner):
                self.words |= set(self._table(inner))
                return ["{}"]
            case ast.IfExp(body=body, orelse=orelse):
                return self.texts(body) + self.texts(orelse)
            case ast.Name(id=name) if isinstance(self.constants.get(name), (ast.Constant, ast.JoinedStr)):
                return self.texts(self.constants[name])
        return ["{}"]

    def _table(self, node: ast.expr) -> Iterator[str]:
        """The words of a table of the module that an expression looks something up in, and its default."""
        match node:
            case ast.Subscript(value=ast.Name(id=name)):
                spoken = []
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, *spoken]):
                pass
            case _:
                return
        table = self.constants.get(name)
        spoken = [*spoken, *(table.values if isinstance(table, ast.Dict) else ())]
        yield from (word.value for word in spoken if isinstance(word, ast.Constant) and isinstance(word.value, str))

    def _docstrings(self) -> Iterator[ast.AST]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield node.value

    def _parts(self) -> Iterator[ast.AST]:
        """The pieces of f-strings, which are no messages of their own; and those of calls that log or print."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.JoinedStr):
                yield from (inner for inner in ast.walk(node) if inner is not node)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGS:
                yield from ast.walk(node)


def is_sentence(text: str) -> bool:
    """Whether a string is a message: begins with a capital, has several words, ends with a full stop or with what
    fills it after a colon."""
    return text[:1].isupper() and " " in text and text.endswith((".", ": {}"))


def collect() -> tuple[dict[str, str], dict[str, str]]:
    """(messages, words that fill them), each with the module it is from."""
    messages, words = {}, {}
    for path in SPEAKERS:
        module, name = Module(path), str(path.relative_to(ROOT))
        messages |= dict.fromkeys(module.messages(), name)
        words |= dict.fromkeys(module.words, name)
    return messages, words
