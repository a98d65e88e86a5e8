import io
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from hwnas.errors import DataError, UnknownNameError
from hwnas.training.data import data_names, load_data


def write_images(folder, count, *, mode="L", size=(20, 16), seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")


def write_npz(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 12, 12), dtype=np.uint8),
        "y_train": np.arange(20) % 2,
        "x_test": rng.integers(0, 256, (6, 12, 12), dtype=np.uint8),
        "y_test": np.arange(6) % 2,
        **changes,
    }
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def pixels_of(part):
    return {image.tobytes() for image in part.images}


def test_the_shipped_data_set_is_balanced_in_every_part():
    data = load_data("fashion_mnist_10k", resolution=32, validation_fraction=0.2)
    assert "fashion_mnist_10k" in data_names()
    assert data.classes[9] == "Ankle boot"
    assert (data.in_channels, data.resolution) == (1, 32)
    for part, count in ((data.train, 800), (data.validation, 200), (data.test, 200)):
        assert np.bincount(part.labels).tolist() == [count] * 10


def test_the_shipped_data_set_carries_its_licence():
    from importlib import resources

    notice = resources.files("hwnas.training") / "datasets" / "fashion_mnist_10k.LICENSE"
    assert "Copyright (c) 2017 Zalando SE" in notice.read_text()


def test_equal_seeds_split_equally_and_others_do_not(tmp_path):
    path = write_npz(tmp_path / "data.npz")
    first, second, third = (load_data(path, resolution=12, seed=seed) for seed in (0, 0, 1))
    assert pixels_of(first.validation) == pixels_of(second.validation)
    assert pixels_of(first.validation) != pixels_of(third.validation)
    assert first.fingerprint() == second.fingerprint() != third.fingerprint()


def test_parts_share_no_image(tmp_path):
    for index in range(2):
        write_images(tmp_path / f"class{index}", 20, seed=index)
    data = load_data(tmp_path, resolution=16)
    parts = [pixels_of(part) for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [26, 6, 8]
    assert len(set.union(*parts)) == 40


def test_a_test_folder_is_the_test_part(tmp_path):
    for part, count in (("train", 10), ("test", 4)):
        for index in range(2):
            write_images(tmp_path / part / f"class{index}", count, seed=index)
    data = load_data(tmp_path, resolution=16)
    assert data.classes == ("class0", "class1")
    assert len(data.train) + len(data.validation) == 20
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4


def test_grayscale_images_get_three_channels_beside_coloured_ones(tmp_path):
    write_images(tmp_path / "gray", 6)
    write_images(tmp_path / "coloured", 6, mode="RGB")
    data = load_data(tmp_path, resolution=8)
    assert data.in_channels == 3
    gray = data.train.images[data.train.labels == data.classes.index("gray")]
    assert np.array_equal(gray[:, 0], gray[:, 2])


def test_a_wide_image_is_scaled_by_its_height_and_cropped(tmp_path):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, 4:12] = 200
    for name in ("a", "b"):
        write_images(tmp_path / name, 5)
        Image.fromarray(pixels).save(tmp_path / name / "wide.png")
    data = load_data(tmp_path, resolution=8)
    images = np.concatenate([data.train.images, data.validation.images, data.test.images])
    assert sum(bool((image == 200).all()) for image in images) == 2


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    for name in ("a", "b"):
        write_images(tmp_path / name, 5)
        palette = Image.new("P", (16, 16))
        palette.save(tmp_path / name / "palette.png", transparency=b"\x00\x80")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_data(tmp_path, resolution=16).in_channels == 3


def test_one_corrupt_image_among_many_is_skipped_and_named(tmp_path):
    for index in range(2):
        write_images(tmp_path / f"class{index}", 60, seed=index)
    broken = tmp_path / "class1" / "007.png"
    broken.write_bytes(broken.read_bytes()[:100])
    data = load_data(tmp_path, resolution=16)
    assert data.skipped == (str(broken),)
    assert len(data.train) + len(data.validation) + len(data.test) == 119


def test_many_corrupt_images_are_refused_by_name(tmp_path):
    for index in range(2):
        write_images(tmp_path / f"class{index}", 20, seed=index)
    (tmp_path / "class0" / "003.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"1 of 40 files .*003\.png; at most 1%"):
        load_data(tmp_path, resolution=16)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no images; expected one folder for each class"):
        load_data(tmp_path, resolution=16)


def test_a_folder_with_one_class_is_refused(tmp_path):
    write_images(tmp_path / "only", 10)
    with pytest.raises(DataError, match="one class only \\('only'\\)"):
        load_data(tmp_path, resolution=16)


def test_a_class_with_too_few_images_is_refused_by_name(tmp_path):
    write_images(tmp_path / "many", 10)
    write_images(tmp_path / "few", 2)
    with pytest.raises(DataError, match="class 'few' has 2 training images"):
        load_data(tmp_path, resolution=16)


def test_train_and_test_folders_with_other_classes_are_refused(tmp_path):
    for name in ("train/a", "train/b", "test/a", "test/c"):
        write_images(tmp_path / name, 4)
    with pytest.raises(DataError, match="has the classes a, c"):
        load_data(tmp_path, resolution=16)


def test_an_unknown_name_answers_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'fashion_mnist_10k'"):
        load_data("fashion_mnist", resolution=32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no array 'y_test'"),
        ({"x_train": np.zeros((20, 12, 12))}, "x_train is float64 of shape"),
        ({"x_train": np.zeros((20, 12), np.uint8)}, "expected uint8 of shape"),
        ({"x_train": np.zeros((20, 12, 12, 4), np.uint8)}, "expected uint8 of shape"),
        ({"y_train": np.zeros(19, int)}, r"y_train is int64 of shape \(19,\)"),
        ({"y_train": np.zeros(20)}, "y_train is float64"),
        ({"y_train": np.arange(20) % 2 - 1}, "y_train holds label -1; expected 0 to"),
        ({"y_test": np.full(6, 2)}, "y_test holds label 2; expected 0 to 1"),
        ({"y_train": np.zeros(20, int), "y_test": np.zeros(6, int)}, "one class only"),
        ({"classes": np.array(["a", "b", "c"])}, "class 'c' has 0 training images"),
        ({"x_test": np.zeros((6, 12, 12, 3), np.uint8)}, "must have the same"),
        ({"y_train": np.array([None] * 20)}, "without pickled objects"),
    ],
)
def test_an_npz_with_wrong_content_is_refused(tmp_path, changes, message):
    path = write_npz(tmp_path / "data.npz", **changes)
    with pytest.raises(DataError, match=message):
        load_data(path, resolution=12)


def test_a_coloured_npz_is_read_with_channels_first(tmp_path):
    x_train = np.zeros((20, 12, 12, 3), np.uint8)
    x_train[..., 2] = 7
    path = write_npz(tmp_path / "a.npz", x_train=x_train, x_test=x_train[:6])
    data = load_data(path, resolution=12)
    assert data.train.images.shape[1:] == (3, 12, 12)
    assert (data.train.images[:, 2] == 7).all()


def test_a_truncated_npz_is_refused(tmp_path):
    path = write_npz(tmp_path / "data.npz")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        load_data(path, resolution=12)


def test_an_npz_with_damaged_bytes_is_refused(tmp_path):
    path = write_npz(tmp_path / "data.npz")
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        load_data(path, resolution=12)


def test_a_single_array_is_no_data_set(tmp_path):
    np.save(tmp_path / "data.npy", np.zeros(3))
    with pytest.raises(DataError, match="holds a single array"):
        load_data(tmp_path / "data.npy", resolution=12)


def test_an_npz_may_be_compressed_in_any_way_that_zip_knows(tmp_path):
    path = write_npz(tmp_path / "data.npz")
    again = tmp_path / "again.npz"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(again, "w", zipfile.ZIP_LZMA) as target:
        for name in source.namelist():
            target.writestr(name, io.BytesIO(source.read(name)).getvalue())
    first, second = (load_data(file, resolution=12) for file in (path, again))
    assert np.array_equal(first.train.images, second.train.images)
