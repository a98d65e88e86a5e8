import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from hwnas import extras
from hwnas.errors import DataError, ExtraMissingError, UnknownNameError
from hwnas.training import hugging_face
from hwnas.training.data import load_data


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The package, without network and with a cache of its own: it looks at both at import."""
    try:
        extras.require("datasets", extra="huggingface", purpose="this test")
    except ExtraMissingError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        environment.setenv("HF_HUB_OFFLINE", "1")
        environment.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        import datasets

        yield datasets


def images(count, *, mode="RGB", seed=0):
    rng = np.random.default_rng(seed)
    shape = (12, 12, 3) if mode == "RGB" else (12, 12)
    return [Image.fromarray(rng.integers(0, 256, shape, np.uint8)) for _ in range(count)]


def split(hub, count, *, classes=("a", "b"), seed=0, mode="RGB", labels=None, **more):
    """A split of random images in two columns, and further ones given as (values, feature)."""
    columns = {
        "picture": (images(count, mode=mode, seed=seed), hub.Image()),
        "kind": (labels or [i % len(classes) for i in range(count)], hub.ClassLabel(names=classes)),
        **more,
    }
    return hub.Dataset.from_dict(
        {name: values for name, (values, _) in columns.items()},
        features=hub.Features({name: feature for name, (_, feature) in columns.items()}),
    )


def saved(hub, folder, **splits):
    hub.DatasetDict(splits).save_to_disk(folder)
    return f"hf:{folder}"


def pixels_of(*parts):
    return {image.tobytes() for part in parts for image in part.images}


def test_its_own_splits_are_the_parts(hub, tmp_path):
    train, validation, test = split(hub, 20), split(hub, 8, seed=1), split(hub, 6, seed=2)
    source = saved(hub, tmp_path / "d", train=train, validation=validation, test=test, extra=test)
    data = load_data(source, resolution=12)
    assert data.classes == ("a", "b")
    assert (data.in_channels, data.resolution, data.source) == (3, 12, source)
    for part, given in ((data.train, train), (data.validation, validation), (data.test, test)):
        assert part.labels.tolist() == given["kind"][:]
        expected = np.stack([np.asarray(image) for image in given["picture"]])
        assert np.array_equal(part.images.transpose(0, 2, 3, 1), expected)


def test_splits_that_it_lacks_are_drawn_by_seed(hub, tmp_path):
    split(hub, 50).save_to_disk(tmp_path / "one")
    first, second, third = (
        load_data(f"hf:{tmp_path / 'one'}", resolution=12, seed=seed) for seed in (0, 0, 1)
    )
    assert [len(part) for part in (first.train, first.validation, first.test)] == [32, 8, 10]
    assert len(pixels_of(first.train, first.validation, first.test)) == 50
    assert pixels_of(first.test) == pixels_of(second.test) != pixels_of(third.test)


def test_parquet_files_are_read_as_the_hub_holds_them(hub, tmp_path):
    for name, count in (("train", 20), ("test", 6)):
        (tmp_path / "data").mkdir(exist_ok=True)
        split(hub, count).to_parquet(tmp_path / "data" / f"{name}-00000-of-00001.parquet")
    data = load_data(f"hf:{tmp_path}", resolution=8)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [16, 4, 6]


def test_a_split_without_labels_counts_as_absent(hub, tmp_path):
    test = split(hub, 6, labels=[-1] * 6)
    source = saved(hub, tmp_path / "d", train=split(hub, 20), test=test)
    assert len(load_data(source, resolution=12).test) == 4


def test_gray_images_stay_of_one_channel(hub, tmp_path):
    source = saved(hub, tmp_path / "d", train=split(hub, 20, mode="L"))
    assert load_data(source, resolution=12).in_channels == 1


def test_among_several_columns_one_is_chosen(hub, tmp_path):
    coarse = ([i // 10 for i in range(20)], hub.ClassLabel(names=["low", "high"]))
    source = saved(hub, tmp_path / "d", train=split(hub, 20, coarse=coarse))
    with pytest.raises(DataError, match=r"several columns of labels.*,label=kind or ,label=coarse"):
        load_data(source, resolution=12)
    assert load_data(f"{source},label=coarse", resolution=12).classes == ("low", "high")
    with pytest.raises(DataError, match=r"has no column 'fine'; .*with ,label=kind or"):
        load_data(f"{source},label=fine", resolution=12)


def test_columns_that_cannot_be_learned_are_refused_by_name(hub, tmp_path):
    number = (list(range(20)), hub.Value("int64"))
    plain = saved(hub, tmp_path / "plain", train=split(hub, 20, kind=number))
    with pytest.raises(DataError, match=r"no column of labels.*kind \(int64\).*class_encode_col"):
        load_data(plain, resolution=12)
    with pytest.raises(DataError, match=r"has no labels in 'kind'.*kind \(int64\): expected a Cla"):
        load_data(f"{plain},label=kind", resolution=12)
    blind = saved(hub, tmp_path / "blind", train=split(hub, 20, picture=number))
    with pytest.raises(DataError, match=r"no column of images.*picture \(int64\), kind"):
        load_data(blind, resolution=12)


def test_splits_of_other_classes_are_refused(hub, tmp_path):
    test = split(hub, 6, classes=("b", "a"))
    source = saved(hub, tmp_path / "d", train=split(hub, 20), test=test)
    with pytest.raises(DataError, match="test does not have the classes of train"):
        load_data(source, resolution=12)


def test_labels_that_are_missing_here_and_there_are_refused(hub, tmp_path):
    source = saved(hub, tmp_path / "d", train=split(hub, 6, labels=[0, 1, -1, 0, 1, None]))
    with pytest.raises(DataError, match="train holds label -1; expected 0 to 1"):
        load_data(source, resolution=12)


def test_one_unreadable_image_among_many_is_skipped_and_named(hub, tmp_path):
    train = split(hub, 120).cast_column("picture", hub.Image(decode=False)).to_dict()
    train["picture"][7] = {"bytes": b"no image", "path": None}
    features = hub.Features({"picture": hub.Image(), "kind": hub.ClassLabel(names=["a", "b"])})
    source = saved(hub, tmp_path / "d", train=hub.Dataset.from_dict(train, features=features))
    data = load_data(source, resolution=12)
    assert data.skipped == ("train[7]",)
    assert len(data.train) + len(data.validation) + len(data.test) == 119


def test_several_splits_without_train_are_refused(hub, tmp_path):
    source = saved(hub, tmp_path / "d", first=split(hub, 6), second=split(hub, 6))
    with pytest.raises(DataError, match="has the splits first, second; expected train"):
        load_data(source, resolution=12)


@pytest.mark.parametrize("name", ["cifar10", "no/such/name", "no name"])
def test_what_cannot_be_loaded_says_why(hub, name):
    with pytest.raises(DataError, match=r"hf:.* cannot be loaded: .*(reach|find)"):
        load_data(f"hf:{name}", resolution=12)


@pytest.mark.parametrize("source", ["hf:", "hf:a,label", "hf:a,label="])
def test_a_source_without_name_or_value_is_refused(source):
    with pytest.raises(DataError, match=r"expected hf:NAME or hf:NAME,label=COLUMN"):
        hugging_face.parse(source)


def test_an_unknown_option_answers_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'label'"):
        hugging_face.parse("hf:a,labels=b")


def test_a_source_reads_as_it_is_written():
    source = "hf:some/name,config=small,image=img,label=fine"
    assert str(hugging_face.parse(source)) == source
    assert hugging_face.anchored(source) == source


def test_a_folder_is_anchored_with_its_options(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path)
    assert hugging_face.anchored("hf:d,label=x") == f"hf:{(tmp_path / 'd').resolve()},label=x"


def test_help_does_not_import_the_package():
    code = "import sys, hwnas.training.data; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
