"""Code as results depend on it: what of a file counts, and which files a module stands on."""

import re
import shutil

import pytest

from dnastudy.core.code import PACKAGE, SILENT, Sources, semantic_text, sources

PLAIN = "import os\n\n\ndef f(x):\n    if x:\n        raise ValueError('no')\n    return [1, 2]\n"
SAME = {
    "comment": PLAIN.replace("if x:", "if x:  # why"),
    "line of comment": PLAIN.replace("    if x:", "    # why\n    if x:"),
    "blank lines": PLAIN.replace("    return", "\n\n    return"),
    "docstring of a function": PLAIN.replace("(x):\n", '(x):\n    """Do it.\n\n    Twice.\n    """\n'),
    "docstring of the module": '"""What it is."""\n\n' + PLAIN,
    "text after a value": PLAIN.replace("import os\n", 'import os\n"""About it."""\n'),
    "message": PLAIN.replace("'no'", 'f"no {x}: {len(x) + 1}"'),
    "message on several lines": PLAIN.replace("'no'", '\n            "no, "\n            "never"\n        '),
    "white space at the end of a line": PLAIN.replace("if x:", "if x:   "),
}
OTHER = {
    "value": PLAIN.replace("[1, 2]", "[1, 3]"),
    "condition": PLAIN.replace("if x", "if not x"),
    "error of another kind": PLAIN.replace("ValueError", "TypeError"),
    "name": PLAIN.replace("def f", "def g"),
    "indentation": PLAIN.replace("    return", "        return"),
    "sign in a text": PLAIN.replace("[1, 2]", "'#1'"),
    "further sign in a text": PLAIN.replace("[1, 2]", "'#2'"),
    "text": PLAIN.replace("[1, 2]", '"text"'),
}


@pytest.mark.parametrize("change", SAME)
def test_what_cannot_change_a_result_does_not_count(change):
    assert SAME[change] != PLAIN
    assert semantic_text(SAME[change]) == semantic_text(PLAIN)


def test_what_can_change_a_result_counts():
    texts = [semantic_text(text) for text in (PLAIN, *OTHER.values())]
    assert len(set(texts)) == len(texts)


def test_descriptions_and_log_lines_do_not_count_and_defaults_do():
    text = 'size: int = Field(default=3, ge=1, description="size, nt")\nlog(f"fit {size}")\n'
    assert semantic_text(text) == semantic_text(text.replace("size, nt", "how large").replace("fit {", "start {"))
    assert semantic_text(text) != semantic_text(text.replace("default=3", "default=4"))


def test_how_a_class_is_shown_does_not_count():
    plain = "class A:\n    x = 1\n    def fit(self):\n        return self.x\n"
    shown = plain.replace(
        "    x = 1\n",
        """    label = "a"
    look: ClassVar[Look] = Look("#fff")  # a colour
    presets = {
        "small": {"x": 1},
    }
    x = 1

    @classmethod
    def label_of(cls, settings):
        return f"{settings}"

""",
    )
    assert semantic_text(shown) == semantic_text(plain)
    assert semantic_text(shown.replace("x = 1\n\n", "x = 2\n\n")) != semantic_text(plain)
    assert semantic_text("label = 1\n") == "label = 1", "of classes alone"


def test_signs_in_texts_begin_no_comment_and_code_after_silent_text_is_kept():
    source = 'é = f("#") if x else y  # é # a comment\nraise ValueError("é # text") from z["#"]  # and this\n'
    assert semantic_text(source) == 'é = f("#") if x else y\nraise ValueError("") from z["#"]'


@pytest.fixture
def package(tmp_path):
    """A small package: a imports b inside a function, b imports c for types only, d stands alone."""
    files = {
        "__init__.py": "",
        "a.py": "def f():\n    from dnastudy.b import g\n    return g()\n",
        "b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dnastudy.c import C\n"
        "import dnastudy.room.e\ndef g():\n    return 1\n",
        "c.py": "class C: pass\n",
        "d.py": "from dnastudy import b\n",
        "room/__init__.py": "",
        "room/e.py": "x = 1\n",
        "room/f.py": "from dnastudy.room import e\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_closures_follow_imports_inside_functions_and_not_those_for_types(package):
    code = Sources(package)
    assert code.closure(["a"]) == {"a", "b", "room", "room.e"}
    assert code.closure(["d"]) == {"d", "b", "room", "room.e"}
    assert code.closure(["room.f"]) == {"room.f", "room", "room.e"}
    assert code.closure(["a"], without=["b"]) == {"a"}


def test_a_hash_is_that_of_the_files_as_they_were_first_read(package):
    code = Sources(package)
    before = code.hash(["a"])
    (package / "room" / "e.py").write_text("x = 2\n")
    assert code.hash(["a"]) == before, "a process that runs old code must not name the new"
    assert Sources(package).hash(["a"]) != before
    assert Sources(package).hash(["c"]) == Sources(package).hash(["c"]) != before


def test_the_same_code_in_another_file_is_other_code(package):
    shutil.copy(package / "c.py", package / "h.py")
    assert Sources(package).hash(["c"]) != Sources(package).hash(["h"])


def test_silent_modules_exist():
    assert set(SILENT) <= sources().modules


def test_every_file_of_the_package_is_a_module():
    files = set(PACKAGE.rglob("*.py"))
    assert {sources().path(name) for name in sources().modules} == files
    assert all(re.fullmatch(r"[a-z_0-9.]*", name) for name in sources().modules)
