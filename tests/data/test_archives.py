import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from dicegrad.data.archives import unpack
from dicegrad.errors import InputError
from tests.conftest import refusal


def make_zip(path, members, mode=stat.S_IFREG | 0o644):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def make_tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return path


def nothing_but(folder, *names):
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_honest_archive_is_unpacked_byte_by_byte(tmp_path, make):
    members = [("a/b/1.txt", b"one" * 1000), ("./2.txt", b""), ("a/..b", b"dots")]
    archive = make(tmp_path / "archive", members)
    files = unpack(archive, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in files] == [
        "a/b/1.txt",
        "2.txt",
        "a/..b",
    ]
    assert [path.read_bytes() for path in files] == [content for _, content in members]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a\\..\\..\\x", "leads out"),
        ("/etc/x", "absolute path"),
        ("C:\\x", "absolute path"),
        ("good.txt", "comes twice"),
        ("good.txt/below", "comes twice"),
        ("folder", "comes twice"),
    ],
)
def test_a_hostile_name_is_refused_before_anything_is_written(tmp_path, make, name, says):
    honest = [("good.txt", b"good"), ("folder/x", b"x")]
    archive = make(tmp_path / "archive", [*honest, (name, b"bad")])
    with pytest.raises(InputError) as error:
        unpack(archive, tmp_path / "out")
    assert repr(name) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert nothing_but(tmp_path, "archive")


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    archive = make_zip(tmp_path / "archive", [("link", b"/etc/passwd")], stat.S_IFLNK | 0o777)
    with pytest.raises(InputError, match="'link' is a symbolic link"):
        unpack(archive, tmp_path / "out")
    assert nothing_but(tmp_path, "archive")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (tarfile.SYMTYPE, "is a symbolic link"),
        (tarfile.LNKTYPE, "is a hard link"),
        (tarfile.FIFOTYPE, "is a special file"),
        (tarfile.CHRTYPE, "is a special file"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, says):
    archive = make_tar(tmp_path / "archive", [("good", b"good"), ("odd", (kind, "/etc/passwd"))])
    with pytest.raises(InputError, match=f"'odd' {says}"):
        unpack(archive, tmp_path / "out")
    assert nothing_but(tmp_path, "archive")


def test_a_flipped_byte_is_found_by_the_checksum_of_its_member(tmp_path):
    archive = tmp_path / "archive"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a.txt", b"some honest content")
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"honest", b"h0nest"))
    with pytest.raises(InputError, match=r"damaged or incomplete .*CRC"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_half_an_archive_is_refused(tmp_path, make):
    noise = bytes(range(256)) * 50
    archive = make(tmp_path / "archive", [(f"{n}.bin", noise[n:]) for n in range(20)])
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(InputError, match="fetch it again"):
        unpack(archive, tmp_path / "out")


def test_what_is_no_archive_or_not_there_is_named(tmp_path):
    (tmp_path / "page.zip").write_text("<html>log in first</html>")
    for name, says in (("page.zip", "neither zip nor tar"), ("none.zip", "no such archive")):
        with pytest.raises(InputError, match=f"{name}: {says}"):
            unpack(tmp_path / name, tmp_path / "out")


def test_a_name_longer_than_a_disk_takes_is_refused_before_anything_is_written(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "a")
        archive.writestr("x" * 300, "b")
    line = refusal(unpack, tmp_path / "a.zip", tmp_path / "out")
    assert "has a name of more than 255 bytes; nothing was unpacked" in line
    assert not (tmp_path / "out").exists()


def test_a_place_of_a_member_before_the_file_is_damage(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a" * 100)
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\5\6")
    content[end + 16 : end + 20] = (end + 5000).to_bytes(4, "little")  # of the directory
    path.write_bytes(content)
    assert "damaged or incomplete" in refusal(unpack, path, tmp_path / "out")


def test_a_bomb_of_terabytes_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "a.tar"
    header = tarfile.TarInfo("training/zeros")
    header.size = 1 << 42
    path.write_bytes(header.tobuf() + bytes(10_240))
    line = refusal(unpack, path, tmp_path / "out")
    assert "unpacks to 4096.0 GiB, more than 50 times its size; nothing was unpacked" in line


def test_a_member_without_a_name_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), "a")
    content = (tmp_path / "a.zip").read_bytes()
    central = content.index(b"PK\1\2")
    named = content[central : central + 46]
    nameless = named[:28] + bytes(2) + named[30:]  # the length of its name
    content = content[:central] + nameless + content[central + 47 :]
    end = content.rindex(b"PK\5\6")
    size = (end - central).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content[: end + 12] + size + content[end + 16 :])
    line = refusal(unpack, tmp_path / "a.zip", tmp_path / "out")
    assert "member '' has no name; nothing was unpacked" in line


def test_a_length_of_a_tar_header_beyond_64_bits_is_damage(tmp_path):
    info = tarfile.TarInfo("x" * 200)  # too long for the header: it comes as a record before it
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    damaged = bytearray(content.getvalue())
    damaged[124:136] = b"\x80" + b"\x7f" * 11  # the length of that record, as GNU writes large ones
    damaged[148:156] = b" " * 8
    damaged[148:156] = b"%06o\0 " % sum(damaged[:512])
    (tmp_path / "a.tar").write_bytes(damaged)
    assert "damaged or incomplete" in refusal(unpack, tmp_path / "a.tar", tmp_path / "out")
    (tmp_path / "a.tgz").write_bytes(gzip.compress(damaged))
    assert "damaged or incomplete" in refusal(unpack, tmp_path / "a.tgz", tmp_path / "out")
