"""The process that reads files with SimpleITK: a file that crashes ITK crashes nothing else.

`dicegrad.data.apart` starts it as a script of its own, asks in lines of JSON,

    {"path": "image.mha", "voxels": false, "seconds": 20}

and is answered in one line of JSON, behind which the voxels follow where they were asked for. It
imports nothing of the project, ends when nobody can ask any more, and prints nothing.
"""

import json
import os
import signal
import sys
from typing import Any, BinaryIO

import SimpleITK as sitk

_TYPES = {
    sitk.sitkUInt8: "u1",
    sitk.sitkInt8: "i1",
    sitk.sitkUInt16: "u2",
    sitk.sitkInt16: "i2",
    sitk.sitkUInt32: "u4",
    sitk.sitkInt32: "i4",
    sitk.sitkUInt64: "u8",
    sitk.sitkInt64: "i8",
    sitk.sitkFloat32: "f4",
    sitk.sitkFloat64: "f8",
}


def main() -> None:
    """Answer until the questions end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides when to stop
    # The libraries beneath print where they like; the answers have a way of their own.
    answers, nowhere = os.fdopen(os.dup(1), "wb"), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sitk.ProcessObject.GlobalWarningDisplayOff()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        # Some damaged files are read for ever: the system then ends this process.
        signal.setitimer(signal.ITIMER_PROF, asked["seconds"])
        _answer(answers, asked["path"], asked["voxels"])
        signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(answers: BinaryIO, path: str, voxels: bool) -> None:
    reader = sitk.ImageFileReader()
    try:
        reader.SetFileName(path)
        reader.ReadImageInformation()
        image = reader.Execute() if voxels else None
    except Exception as error:  # whatever it is, it is about this file
        _say(answers, {"error": type(error).__name__})
        return
    _say(answers, _header(reader))
    if image is not None:
        answers.write(sitk.GetArrayViewFromImage(image).reshape(-1).data.cast("B"))
        answers.flush()


def _header(reader: sitk.ImageFileReader) -> dict[str, Any]:
    kind = reader.GetPixelIDValue()
    return {
        "size": reader.GetSize(),
        "spacing": reader.GetSpacing(),
        "origin": reader.GetOrigin(),
        "direction": reader.GetDirection(),
        "parts": reader.GetNumberOfComponents(),
        "type": _TYPES.get(kind),
        "kind": sitk.GetPixelIDValueAsString(kind),
    }


def _say(answers: BinaryIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
