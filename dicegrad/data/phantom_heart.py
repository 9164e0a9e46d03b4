"""A short-axis cine of a heart at end diastole (ED) and end systole (ES), as in ACDC.

ED: a wide cavity in a thin wall. ES: a small cavity in a thick wall. The wall has one signal in
both phases, which nothing else in the image has: a network that saw its label in ED alone can find
it in ES, and one that is told to leave ES empty can tell the phases from the cavity and the wall.
"""

from dataclasses import dataclass

import numpy as np

from dicegrad.data.phantom_tissue import Volumes, acquire, smooth_field

RV, MYO, LV = 1, 2, 3
# Signal of a bright-blood cine; no other tissue comes near the wall's.
SIGNAL = {"MYO": 45.0, "lung": 175.0, "liver": 240.0, "blood": 345.0, "fat": 430.0}

# Radius of the RV's circle, relative to the LV with its wall at ED.
RV_SIZE = {"ED": 1.0, "ES": 0.95}


@dataclass(frozen=True)
class Anatomy:
    """What one patient keeps through the cycle (lengths in mm, angles in radians).

    Attributes:
        centre: Axis of the LV in the plane, from the centre of the field.
        tilt: Drift of that axis per mm from base to apex.
        cavity: LV radius at the base per phase.
        wall: Wall thickness at the base per phase.
        length: LV length from base to apex per phase.
        side: Direction of the RV seen from the LV.
        lobes: Amplitude and angle of the contour's second and third harmonic.
    """

    centre: np.ndarray
    tilt: np.ndarray
    cavity: dict[str, float]
    wall: dict[str, float]
    length: dict[str, float]
    side: float
    lobes: tuple[float, float, float, float]


@dataclass(frozen=True)
class Patient:
    """One patient: both phases on one grid, and the lines of Info.cfg.

    Attributes:
        phases: ``ED`` and ``ES``.
        info: Group, Height, NbFrame and Weight, as in ACDC's Info.cfg.
    """

    phases: dict[str, Volumes]
    info: dict[str, str]


def draw_heart(rng: np.random.Generator) -> Patient:
    """Draw one patient.

    Args:
        rng: Source of randomness, this patient's alone.

    Returns:
        Both phases with channel ``cine``; labels 0 background, 1 RV, 2 MYO, 3 LV. In-plane voxels
        of 1.4-1.7 mm over a field of about 100 mm, 6 to 9 slices of 8-10 mm, base first.
    """
    pixel, slice_gap = rng.uniform(1.4, 1.7), float(rng.choice([8.0, 9.0, 10.0]))
    length = rng.uniform(56, 66)
    shape = (
        round(rng.uniform(96, 106) / pixel),
        round(rng.uniform(96, 106) / pixel),
        int(np.clip(round(length / slice_gap), 6, 9)),
    )
    anatomy = _anatomy(rng, length)
    spacing = (pixel, pixel, slice_gap)
    affine = _affine(rng, shape, spacing)
    surroundings = _surroundings(rng, shape, spacing)
    phases = {
        phase: _phase(rng, anatomy, phase, surroundings, spacing, affine) for phase in ("ED", "ES")
    }
    info = {
        "Group": str(rng.choice(["DCM", "HCM", "MINF", "NOR", "RV"])),
        "Height": f"{rng.uniform(150, 190):.1f}",
        "NbFrame": str(rng.integers(20, 31)),
        "Weight": f"{rng.uniform(50, 100):.1f}",
    }
    return Patient(phases, info)


def _anatomy(rng: np.random.Generator, length: float) -> Anatomy:
    cavity, wall = rng.uniform(18.0, 22.0), rng.uniform(7.5, 9.0)
    outer = {"ED": cavity + wall, "ES": (cavity + wall) * rng.uniform(0.94, 0.98)}
    inner = {"ED": cavity, "ES": cavity * rng.uniform(0.50, 0.58)}
    return Anatomy(
        centre=np.array([7.0, 0.0]) + rng.uniform(-8, 8, 2),
        tilt=rng.uniform(-0.06, 0.06, 2),
        cavity=inner,
        wall={phase: outer[phase] - inner[phase] for phase in outer},
        length={"ED": length, "ES": length * rng.uniform(0.88, 0.94)},
        side=np.pi + rng.uniform(-0.7, 0.7),
        lobes=(
            rng.uniform(0, 0.06),
            rng.uniform(0, np.pi),
            rng.uniform(0, 0.03),
            rng.uniform(0, np.pi),
        ),
    )


def _affine(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> np.ndarray:
    """Return a short-axis plane's oblique position in the scanner."""
    about_z, about_x = rng.uniform(0.5, 0.9), rng.uniform(-0.9, -0.5)
    cz, sz, cx, sx = np.cos(about_z), np.sin(about_z), np.cos(about_x), np.sin(about_x)
    turn = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, cx, -sx], [0, sx, cx]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing) @ np.diag([-1, -1, 1])
    affine[:3, 3] = rng.uniform(-30, 30, 3) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def _plane(
    shape: tuple[int, ...], spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y in mm from the centre of the field, each (X, Y)."""
    axes = [(np.arange(n) - (n - 1) / 2) * d for n, d in zip(shape[:2], spacing[:2], strict=True)]
    return np.meshgrid(*axes, indexing="ij")


def _surroundings(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> np.ndarray:
    """Return lungs with vessels, liver, chest wall with fat, (X, Y, Z)."""
    x, y = (axis[..., None] for axis in _plane(shape, spacing))
    waves = 2.5 * smooth_field(rng, shape, (5, 5, 1.5))
    vessels = smooth_field(rng, shape, (1, 1, 0.3)) > 2.2
    chest = -y - 0.3 * x - rng.uniform(40, 44) + waves
    liver = y - 0.6 * x - rng.uniform(42, 48) + 5 * np.arange(shape[2]) / shape[2] - waves
    clean = np.full(shape, SIGNAL["lung"])
    clean[vessels] = SIGNAL["liver"]
    clean[liver > 0] = SIGNAL["liver"]
    clean[chest > 0] = SIGNAL["liver"]
    clean[chest > 5] = SIGNAL["fat"]
    return clean


def _phase(
    rng: np.random.Generator,
    anatomy: Anatomy,
    phase: str,
    surroundings: np.ndarray,
    spacing: tuple[float, float, float],
    affine: np.ndarray,
) -> Volumes:
    """Draw the heart of one phase into its surroundings and scan it."""
    label = _heart(anatomy, phase, surroundings.shape, spacing)
    texture = smooth_field(rng, surroundings.shape, (1, 1, 0.3))
    clean = surroundings.copy()
    clean[label == MYO] = SIGNAL["MYO"]
    clean[(label == LV) | (label == RV)] = SIGNAL["blood"]
    # Papillary muscles belong to the cavity's label, as in ACDC.
    clean[_papillary(anatomy, phase, surroundings.shape, spacing) & (label == LV)] = 240.0
    image = acquire(rng, clean * (1 + 0.05 * texture), blur=(0.6, 0.6, 0), bias=0.05, noise=9.0)
    return Volumes({"cine": image}, label, affine)


def _around_axis(
    anatomy: Anatomy, shape: tuple[int, ...], spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distance to the LV axis (mm), angle about it, and depth from the base (mm)."""
    x, y = (axis[..., None] for axis in _plane(shape, spacing))
    depth = (np.arange(shape[2]) * spacing[2])[None, None, :]
    dx = x - anatomy.centre[0] - anatomy.tilt[0] * depth
    dy = y - anatomy.centre[1] - anatomy.tilt[1] * depth
    return np.hypot(dx, dy), np.arctan2(dy, dx), np.broadcast_to(depth, dx.shape)


def _taper(depth: np.ndarray, length: float) -> np.ndarray:
    """Return the radius relative to the base: a bullet, 1 at the base and 0 from the apex on."""
    return np.sqrt(np.clip(1 - (depth / length) ** 3, 0, None))


def _heart(
    anatomy: Anatomy, phase: str, shape: tuple[int, ...], spacing: tuple[float, float, float]
) -> np.ndarray:
    """Return the label map: the LV in its ring of MYO, the RV a crescent beside it."""
    radius, angle, depth = _around_axis(anatomy, shape, spacing)
    second, second_at, third, third_at = anatomy.lobes
    wobble = 1 + second * np.cos(2 * (angle - second_at)) + third * np.cos(3 * (angle - third_at))
    cavity, wall, length = anatomy.cavity[phase], anatomy.wall[phase], anatomy.length[phase]
    inner = cavity * wobble * _taper(depth, length)
    outer = (cavity + wall) * wobble * _taper(depth, length + wall)
    # The crescent is a circle shifted to the RV's side, less the LV with its wall; its horns end
    # where they would be thinner than two voxels.
    taper = _taper(depth, 0.92 * length)
    shift = 0.62 * (cavity + wall) * taper
    size = RV_SIZE[phase] * (anatomy.cavity["ED"] + anatomy.wall["ED"]) * taper
    turned = angle - anatomy.side
    across = np.clip(size**2 - (shift * np.sin(turned)) ** 2, 0, None)
    far = shift * np.cos(turned) + np.sqrt(across)
    label = np.zeros(shape, np.uint8)
    label[(radius < far) & (far > outer + 3)] = RV
    label[radius < outer] = MYO
    label[radius < inner] = LV
    return label


def _papillary(
    anatomy: Anatomy, phase: str, shape: tuple[int, ...], spacing: tuple[float, float, float]
) -> np.ndarray:
    """Return the mask of two muscles in the cavity, thinner towards the apex."""
    radius, angle, depth = _around_axis(anatomy, shape, spacing)
    away = 0.62 * anatomy.cavity[phase]
    inside = np.zeros(shape, bool)
    for side in (0.8, -0.9):
        at = anatomy.side + np.pi + side
        distance = np.hypot(
            radius * np.cos(angle) - away * np.cos(at), radius * np.sin(angle) - away * np.sin(at)
        )
        inside |= distance < 0.13 * anatomy.cavity[phase] + 0.5
    return inside & (depth < 0.7 * anatomy.length[phase])
