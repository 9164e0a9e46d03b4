import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch

from dicegrad.data.acdc import ACDC
from dicegrad.data.volumes import Header, read_volume
from dicegrad.errors import InputError
from dicegrad.prediction.inference import load_network, predict_cases, probabilities
from dicegrad.preprocessing.about import About
from dicegrad.preprocessing.grids import Grid, network_grid
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.training.network import NetworkSettings, UNet
from tests.volumes import grid_of


def settings(out_channels=4, features=2):
    return NetworkSettings(
        in_channels=2,
        out_channels=out_channels,
        encoder=((features,) * 2, (4, 4)),
        decoder=((features,) * 2,),
        kernels=((3, 3, 3), (3, 3, 1)),
        pools=((2, 2, 1),),
        norm="batch",
    )


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype(np.float16)


def test_probabilities_of_several_classes_sum_to_one(image):
    network = UNet(settings()).eval()
    p = probabilities(network, image)
    assert (p.shape, p.dtype) == ((4, 8, 8, 4), np.float32)
    np.testing.assert_allclose(p.sum(0), 1, atol=1e-6)
    logits = network(torch.from_numpy(image).float()[None]).detach().numpy()[0]
    np.testing.assert_array_equal(p.argmax(0), logits.argmax(0))


def test_one_map_becomes_background_and_foreground(image):
    network = UNet(settings(1)).eval()
    p = probabilities(network, image)
    assert p.shape == (2, 8, 8, 4)
    foreground = network(torch.from_numpy(image).float()[None]).sigmoid().detach().numpy()[0, 0]
    np.testing.assert_allclose(p[1], foreground, atol=1e-6)
    np.testing.assert_allclose(p[0], 1 - p[1], atol=1e-7)


def test_an_image_that_is_mapped_read_only_is_left_as_it_is(image, tmp_path):
    np.save(tmp_path / "images.npy", image[None])
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    p = probabilities(UNet(settings()).eval(), mapped[0])
    np.testing.assert_array_equal(mapped[0], image)
    assert np.isfinite(p).all()


def test_a_full_gpu_is_one_line(image):
    class Large(UNet):
        def forward(self, image):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(InputError, match=r"is full \(CUDA out of memory\); let fewer proce"):
        probabilities(Large(settings()).eval(), image)


def test_a_network_comes_back_ready_to_predict(image, tmp_path):
    network = UNet(settings()).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    loaded = load_network(settings(), tmp_path / "weights.pt")
    assert not loaded.training
    np.testing.assert_array_equal(probabilities(loaded, image), probabilities(network, image))


@pytest.mark.parametrize("content", [None, b"", b"not weights", b"PK\x03\x04"], ids=repr)
def test_weights_that_cannot_be_read_are_named_in_one_line(tmp_path, content):
    path = tmp_path / "weights.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights.pt: (holds no weights, or is dam|no such file)"):
        load_network(settings(), path)


@pytest.mark.parametrize("content", [[1, 2], {"a": torch.ones(1)}, {}], ids=["list", "other", "{}"])
def test_weights_of_something_else_are_refused_in_one_line(tmp_path, content):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="no weights") as error:
        load_network(settings(), tmp_path / "weights.pt")
    assert len(str(error.value).splitlines()) == 1


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(UNet(settings(features=3)).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match="no weights of this network") as error:
        load_network(settings(), tmp_path / "weights.pt")
    assert len(str(error.value).splitlines()) == 1


class Reader(torch.nn.Module):
    """A network whose prediction is the value of the voxel it looks at."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(20.0))

    def forward(self, image):
        return torch.cat([-self.scale * (image - k).abs() for k in range(4)], dim=1)


def test_a_prediction_lands_on_the_original_grid_in_the_values_of_the_dataset(tmp_path):
    classes = ("LV", "MYO", "RV")  # raw 3, 2, 1
    label = np.zeros((12, 10, 6), np.uint8)
    label[2:5, 2:8, 1:5], label[5:8, 2:8, 1:5], label[8:11, 2:6, 2:5] = 1, 2, 3
    affine = np.array([[0, -2.0, 0, 30], [1.5, 0, 0, -12], [0, 0, 8, 5], [0, 0, 0, 1]])
    original = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(label.shape, np.float32), affine), original)

    # The network's grid is larger, so its voxels are those of the image and more around.
    reference = read_volume(original)
    prepare = {"spacing": reference.grid.spacing, "size": [16, 14, 8]}
    grid = network_grid(reference, Preprocessing.from_dict(prepare))
    prepared = np.pad(label, 2 * [(2, 2)] + [(1, 1)]).astype(np.float16)[None]
    case, folder = "patient001_ED", tmp_path / "predictions"
    expected, originals = grid_of(sitk.ReadImage(str(original))), {case: reference.header}
    about = About(("cine",), classes, ACDC.class_values, None, {case: grid}, originals)
    original.unlink()  # it is not needed any more

    given = (Reader(), [case], [prepared], about, "linear", folder)
    done = []
    assert predict_cases(*given, done.append) == []
    assert done == [case]
    path = folder / f"{case}.nii.gz"
    written = nib.load(path)
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    raw = np.asarray(written.dataobj)
    assert np.issubdtype(raw.dtype, np.integer)
    np.testing.assert_array_equal(raw, np.array([0, 3, 2, 1])[label])
    assert grid_of(sitk.ReadImage(str(path))) == expected


def test_soft_volumes_are_a_row_per_case_where_they_are_asked_for(tmp_path):
    grid = Grid((8, 8, 4), (2.0, 2.0, 5.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    image = np.zeros((1, 8, 8, 4), np.float16)
    image[0, 2:6, 2:6, 1:3] = 2
    grids, headers = {"a": grid, "b": grid}, {"a": Header(grid), "b": Header(grid)}
    about = About(("t1",), ("LV", "MYO", "RV"), ACDC.class_values, None, grids, headers)
    given = (Reader(), ["a", "b"], [image, 0 * image], about, "linear", tmp_path)
    first, second = predict_cases(*given, soft=True)
    assert (first["case"], second["case"]) == ("a", "b")
    assert first["MYO"] == pytest.approx(32 * 20 / 1000, rel=1e-3)
    assert second["MYO"] < 1e-3
