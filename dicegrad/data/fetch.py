"""Fetching one file over HTTP: resumed where it broke off, complete and verified or not at all."""

import json
import shutil
import time
from pathlib import Path
from typing import IO

import pooch
import requests

from dicegrad.errors import InputError, one_line, without_passwords
from dicegrad.logs import Report

_BLOCK = 1 << 16  # what a broken connection costs at most
_NEWS = 5.0  # seconds between two lines of report
_TIMEOUT = (15, 90)  # seconds to connect, seconds without a byte


def check_sha256(path: Path, sha256: str | None) -> None:
    """Raise `InputError` if the file's checksum is another; None asks for nothing."""
    if sha256 is None:
        return
    came = pooch.file_hash(str(path), alg="sha256")
    if came != sha256.lower():
        raise InputError(
            f"{path}: sha256 is {came}, expected {sha256.lower()}; delete the file and fetch it "
            "again, or correct the checksum in the settings"
        )


def fetch(
    url: str, path: Path, sha256: str | None = None, retries: int = 5, report: Report | None = None
) -> Path:
    """Fetch a file; a broken connection is taken up where it broke if the server allows it.

    What has come is kept as ``<path>.part`` when the retries are used up, so that the next call
    goes on from there. ``path`` itself appears whole and with the right checksum, or not at all.

    Args:
        url: Where the file comes from, http or https.
        path: Where it goes. A file that lies there is checked and kept.
        sha256: Expected checksum, or None.
        retries: Further attempts after a broken connection or a server's fault.
        report: Takes one line per step.

    Raises:
        InputError: The file cannot be fetched, or its checksum is wrong.
    """
    report, sha256 = report or (lambda line: None), sha256 and sha256.lower()
    if path.is_file():
        check_sha256(path, sha256)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")

    def downloader(url: str, output: str, _: object) -> None:
        _fetch_part(url, part, sha256 is not None, retries, report)
        shutil.move(part, output)
        _validator_file(part).unlink(missing_ok=True)

    pooch.get_logger().setLevel("WARNING")  # it would print the address with its password
    try:
        # pooch compares the checksum and moves the whole file into place.
        pooch.retrieve(
            url, sha256 and sha256.lower(), path.name, str(path.parent), downloader=downloader
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{url}: {one_line(error)}; see that URL and checksum agree") from None
    return path


def _fetch_part(url: str, part: Path, checked: bool, retries: int, report: Report) -> None:
    for attempt in range(retries + 1):
        try:
            return _continue(url, part, checked, report)
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            refused = status is not None and 400 <= status < 500
            # What is a ValueError, such as a malformed URL, does not get better by waiting.
            if attempt == retries or refused or isinstance(error, ValueError):
                held = part.stat().st_size if part.exists() else 0
                raise InputError(
                    f"{url}: cannot be fetched ({_reason(error)}); {held} bytes are kept, run "
                    f"this again, or fetch it by other means to {part.with_suffix('')}"
                ) from error
            wait = min(2**attempt, 30)
            report(f"{_reason(error)}; again in {wait} s")
            time.sleep(wait)
    return None


def _continue(url: str, part: Path, checked: bool, report: Report) -> None:
    """Fetch the rest of a file, or all of it where the server does not give out parts."""
    held = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    note = _validator_file(part)
    validator = json.loads(note.read_text()) if held and note.is_file() else None
    # Without checksum and validator nobody would notice that the file has changed in between.
    if held and (validator or checked):
        headers["Range"] = f"bytes={held}-"
        if validator:
            headers["If-Range"] = validator
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == 416:
            if response.headers.get("Content-Range") == f"bytes */{held}":
                return  # it was all there already
            part.unlink()
            raise requests.ConnectionError(
                "the part that is there does not fit; starting from scratch"
            )
        response.raise_for_status()
        fits = response.headers.get("Content-Range", "").startswith(f"bytes {held}-")
        resumed = response.status_code == 206 and fits
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified")
        note.write_text(json.dumps(tag))
        done = held if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        report(f"{without_passwords(url)}: from byte {done} of {total or 'unknown'}")
        with part.open("ab" if resumed else "wb") as stream:
            _copy(response, stream, done, total, report)


def _copy(
    response: requests.Response, stream: IO[bytes], done: int, total: int | None, report: Report
) -> None:
    """Write what comes, and say now and then how much and how fast."""
    told, before = time.monotonic(), done
    for block in response.iter_content(_BLOCK):
        stream.write(block)
        done += len(block)
        if (seconds := time.monotonic() - told) > _NEWS:
            of_all = f" of {total / 2**20:.1f}" if total else ""
            rate = (done - before) / seconds / 2**20
            report(f"{done / 2**20:.1f}{of_all} MiB, {rate:.1f} MiB/s")
            told, before = time.monotonic(), done


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _reason(error: requests.RequestException) -> str:
    """What went wrong, without the layers of libraries that it was handed through."""
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", inner)
    return one_line(inner if isinstance(inner, Exception) else error)
