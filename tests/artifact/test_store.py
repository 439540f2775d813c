"""What is saved comes back; what is damaged is noticed; what was written by others is not trusted."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.artifact import load, save
from danlu.artifact.files import Role, write_folder
from danlu.core.errors import ArtifactError
from danlu.core.records import Run, Score


@pytest.fixture
def model(tmp_path: Path, run: Run, tensors: dict, arrays: dict) -> Path:
    save(tmp_path / "houses.danlu", run, tensors, arrays)
    return tmp_path / "houses.danlu"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def reseal(folder: Path, **changes: object) -> None:
    """Change the manifest and seal it again, as an attacker would."""
    content = json.loads((folder / "manifest.json").read_bytes()) | changes
    content.pop("seal")
    content["seal"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_bytes())


def test_all_of_a_run_comes_back(model: Path, run: Run, tensors: dict, arrays: dict) -> None:
    loaded = load(model)
    assert loaded.run == run
    assert loaded.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded.tensors[name], tensor, rtol=0, atol=0)
    assert set(loaded.arrays) == set(arrays)
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_a_folder_holds_four_files_named_by_content(model: Path) -> None:
    names = sorted(contents(model))
    assert [name.partition("-")[0] for name in names] == ["arrays", "manifest.json", "run", "weights"]
    for name, content in contents(model).items():
        if name != "manifest.json":
            assert name.partition("-")[2].startswith(hashlib.sha256(content).hexdigest()[:12])


def test_equal_content_gives_equal_bytes(model: Path, run: Run, tensors: dict, arrays: dict) -> None:
    other = model.with_name("again.danlu")
    shared = dict(reversed(list(tensors.items())))
    save(other, run, shared, dict(reversed(list(arrays.items()))))
    assert contents(other) == contents(model)


def test_views_and_transposed_tensors_are_saved_as_they_look(tmp_path: Path, run: Run) -> None:
    base = torch.arange(6.0).reshape(2, 3)
    save(tmp_path / "m", run, {"a": base.T, "b": base[1]}, {"c": np.arange(6).reshape(2, 3).T, "d": np.array(2.5)})
    loaded = load(tmp_path / "m")
    assert loaded.tensors["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert loaded.tensors["b"].tolist() == [3, 4, 5]
    assert loaded.arrays["c"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert loaded.arrays["d"].shape == ()


def test_arrays_are_read_when_asked_for(model: Path) -> None:
    loaded = load(model)
    name = manifest(model)["files"]["arrays"]["name"]
    (model / name).unlink()
    with pytest.raises(ArtifactError, match=r"arrays-\w+.safetensors is missing"):
        loaded.arrays["loss_EM"]


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_comes_back_exactly(number: float) -> None:
    score = Score(value=number, rows=1, kind="test")
    assert repr(Score.model_validate_json(score.model_dump_json()).value) == repr(number)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_null_in_the_file(
    tmp_path: Path, run: Run, tensors: dict, number: float
) -> None:
    scores = {"rmse": Score(value=number, low=number, rows=1, kind="test", per_target={"a": number})}
    save(
        tmp_path / "m", run.model_copy(update={"scores": scores, "baselines": {"mean": {"rmse": number}}}), tensors, {}
    )
    text = next((tmp_path / "m").glob("run-*.json")).read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    loaded = load(tmp_path / "m").run
    assert loaded.scores["rmse"] == Score(value=None, rows=1, kind="test", per_target={"a": None})
    assert loaded.baselines == {"mean": {"rmse": None}}


@pytest.mark.parametrize("role", ["manifest", "run", "weights", "arrays"])
def test_a_flipped_bit_is_noticed_in_every_file(model: Path, role: str) -> None:
    path = next(model.glob(f"{role}*"))
    whole = path.read_bytes()
    step = 1 if role == "manifest" else max(1, len(whole) // 60)
    for place in {*range(0, len(whole), step), len(whole) - 1}:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError) as caught:
            list(load(model).arrays)
        assert str(caught.value).count(". ") >= 1
    path.write_bytes(whole)
    list(load(model).arrays)


@pytest.mark.parametrize("role", ["manifest", "run", "weights", "arrays"])
@pytest.mark.parametrize("change", ["gone", "cut", "longer", "empty"])
def test_a_missing_or_cut_file_is_refused_at_once(model: Path, role: str, change: str) -> None:
    path = next(model.glob(f"{role}*"))
    whole = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": whole[:-1], "longer": whole + b" ", "empty": b""}[change])
    with pytest.raises(ArtifactError):
        load(model)


@pytest.mark.parametrize(
    "name",
    ["../houses.csv", "/etc/passwd", "run-0123456789ab.json/../x", "run-0123456789AB.json", "run-0123456789ab.json\n"],
)
def test_a_manifest_cannot_name_files_elsewhere(model: Path, name: str) -> None:
    files = manifest(model)["files"]
    files["run"]["name"] = name
    reseal(model, files=files)
    with pytest.raises(ArtifactError, match="does not list a model's files"):
        load(model)


def test_a_manifest_lists_each_role_once(model: Path) -> None:
    files = manifest(model)["files"]
    reseal(model, files={role: files[role] for role in ("run", "weights")})
    with pytest.raises(ArtifactError, match=r"manifest.json was changed"):
        load(model)


@pytest.mark.parametrize("number", [2, 0, "1", True, None, 1.5, [1], 10**30])
def test_another_format_is_refused_by_its_number(model: Path, number: object) -> None:
    reseal(model, format=number)
    with pytest.raises(ArtifactError, match=r"must be of format 1, .* Read it with the version"):
        load(model)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"[" * 50_000, b"\xff\xfe", b"1", b'"format"', b" " * 200_000]
)
def test_a_manifest_that_is_none_is_refused(model: Path, text: bytes) -> None:
    (model / "manifest.json").write_bytes(text)
    with pytest.raises(ArtifactError, match="must be as it was written"):
        load(model)


def rewrite(model: Path, role: Role, content: bytes) -> None:
    """Put other content into a model, properly named and sealed."""
    parts: dict[Role, bytes] = {
        part: next(model.glob(f"{part}-*")).read_bytes() for part in ("run", "weights", "arrays")
    }
    write_folder(model, parts | {role: content}, "0.1")


def header(content: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("<Q", len(content)) + content + rest


@pytest.mark.parametrize("role", ["weights", "arrays"])
@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "0 bytes"),
        (struct.pack("<Q", 2**63) + b"{}", "header would have"),
        (header(b"{" + b" " * 1_000_000 + b"}"), "header would have 1000002 bytes"),
        (header(b"[" * 100_000), "not JSON"),
        (header(b"[1]"), "not a list"),
        (
            header(
                json.dumps(
                    {str(i): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
                ).encode()
            ),
            "at most 10000",
        ),
        (header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"1234"), "must be a safetensors file"),
        (
            header(b'{"a":{"dtype":"F32","shape":[4000000000000000000,8],"data_offsets":[0,4]}}', b"1234"),
            "must be a safetensors file",
        ),
        (header(b'{"a":{"dtype":"XX","shape":[1],"data_offsets":[0,4]}}', b"1234"), "must be a safetensors file"),
    ],
    ids=["empty", "endless", "long", "deep", "list", "entries", "short", "overflowing", "unknown-type"],
)
def test_a_hostile_safetensors_file_is_refused(model: Path, role: Role, content: bytes, fact: str) -> None:
    rewrite(model, role, content)
    with pytest.raises(ArtifactError, match=fact):
        list(load(model).arrays)


@pytest.mark.parametrize("text", [b"{}", b"", b"[" * 100_000, b'{"name": 1}', b"\xff"])
def test_a_record_that_is_none_is_refused(model: Path, text: bytes) -> None:
    rewrite(model, "run", text)
    with pytest.raises(ArtifactError, match=r"record of a run .* written by Danlu 0.1"):
        load(model)


def test_a_field_of_a_later_version_is_named(model: Path, run: Run) -> None:
    rewrite(model, "run", json.dumps(run.model_dump(mode="json") | {"colour": 1}).encode())
    with pytest.raises(ArtifactError, match="`colour`"):
        load(model)


def test_no_model_says_where_one_is(model: Path) -> None:
    for path in (model.parent, model.with_name("house.danlu"), model.with_name("houses")):
        with pytest.raises(ArtifactError, match=r"Did you mean `.*houses.danlu`\?"):
            load(path)


@pytest.mark.parametrize("given", ["", "there/is/none", "a\0b", "x" * 5000])
def test_no_model_anywhere_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="must be a folder that Danlu wrote"):
        load(given)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ArtifactError, match=r"model.pkl` is a file"):
        load(tmp_path / "model.pkl")
