"""What a DICOM header says about a picture beside its pixels: windows, edges, spacing, harmless facts, warnings.

Everything that leaves this module is a number that was checked or a word out of a list in it. Text of the file never
leaves it (the idea of PS3.15 annex E turned round: an allow-list in place of a list of what to delete).
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, UID_dictionary

from medmamba.errors import ImageError
from medmamba.images.geometry import edges, letters
from medmamba.images.luts import DamagedTable, Table, read_table
from medmamba.images.picture import FUNCTIONS, Window


def words(text: str) -> frozenset[str]:
    """The words of a text that is laid out to be read."""
    return frozenset(text.split())


MODALITIES = words(
    "AR AU BDUS BI BMD CFM CR CT CTPROTOCOL DMS DG DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO LEN"
    " LS MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA POS PR PT PX REG RF RG RTDOSE RTIMAGE RTPLAN RTRECORD"
    " RTSTRUCT SEG SM SR SRF STAIN TG US VA XA XC XAPROTOCOL"
)
BODY_PARTS = words(
    "ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM AXILLA BACK BLADDER BRAIN BREAST BRONCHUS BUTTOCK CALCANEUS"
    " CALF CAROTID CEREBELLUM CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX COLON CORNEA CORONARYARTERY CSPINE"
    " CTSPINE DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE FACE FEMUR FINGER FOOT FOREARM GALLBLADDER HAND HEAD"
    " HEADNECK HEART HIP HUMERUS ILEUM ILIUM IAC JAW JEJUNUM KIDNEY KNEE LARYNX LEG LIVER LSPINE LSSPINE LUNG"
    " MANDIBLE MAXILLA MEDIASTINUM MOUTH NECK NECKCHEST NOSE ORBIT OVARY PANCREAS PAROTID PATELLA PELVIS PENIS"
    " PHARYNX PROSTATE RECTUM RETINA RIB SACRUM SCALP SCAPULA SCROTUM SHOULDER SKIN SKULL SPINE SPLEEN SSPINE"
    " STERNUM STOMACH SUBMANDIBULAR TESTIS THIGH THUMB THYMUS THYROID TIBIA TLSPINE TOE TONGUE TRACHEA TSPINE"
    " URETER URETHRA UTERUS VAGINA VULVA WHOLEBODY WRIST ZYGOMA"
)
VOCABULARY = {
    "Modality": MODALITIES,
    "BodyPartExamined": BODY_PARTS,
    "ViewPosition": words("AP PA LL RL RLD LLD RLO LLO CC MLO ML LM LMO XCC XCCL XCCM FB SIO ISO CV"),
    "ImageLaterality": frozenset("LRUB"),
    "Laterality": frozenset("LRUB"),
    "PatientPosition": words("HFP HFS HFDR HFDL FFDR FFDL FFP FFS"),
    "PresentationIntentType": frozenset(("FOR PRESENTATION", "FOR PROCESSING")),
    "LossyImageCompression": frozenset(("00", "01")),
}
WINDOW_NAMES = words(
    "WINDOW1 WINDOW2 WINDOW3 NORMAL HARDER SOFTER ABDOMEN ANGIO BONE BRAIN CHEST DEFAULT LIVER LUNG MEDIASTINUM PELVIS"
    " POSTERIOR_FOSSA SINUS SOFT SOFT_TISSUE SPINE STROKE SUBDURAL"
)
NOT_TO_CLASSIFY = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation (SEG)",
    "1.2.840.10008.5.1.4.1.1.66.7": "a label map segmentation (SEG)",
    "1.2.840.10008.5.1.4.1.1.66.8": "a height map segmentation (SEG)",
    "1.2.840.10008.5.1.4.1.1.481.2": "a radiotherapy dose grid (RT Dose)",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map",
}
NEWER_SYNTAXES = {  # registered after pydicom's list
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
DIRECTORY = "1.2.840.10008.1.3.10"
MOST_WINDOWS = 8  # of each kind that are kept: a small file can hold hundreds of tables
COMPUTED_TOMOGRAPHY = frozenset(f"1.2.840.10008.5.1.4.1.1.2{end}" for end in ("", ".1", ".2"))


def value(dataset: Dataset, keyword: str) -> Any:
    """One attribute, or None if it is absent, empty or cannot be parsed."""
    try:
        found = dataset.get(keyword)
    except Exception:  # pydicom converts on access, and a damaged value raises many kinds
        return None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number, or None."""
    numbers = _numbers(value(dataset, keyword))
    return numbers[0] if len(numbers) == 1 else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """One whole number, or None."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def word(dataset: Dataset, keyword: str) -> str:
    """One code string in capitals, or "". Compare it with a list; never show it."""
    found = value(dataset, keyword)
    return found.strip(" \0").upper() if isinstance(found, str) else ""


def item(dataset: Dataset, keyword: str, index: int = 0) -> Dataset | None:
    """One item of a sequence, or None."""
    found = value(dataset, keyword)
    try:
        chosen = found[index] if found is not None else None
    except (IndexError, TypeError, KeyError):
        return None
    return chosen if isinstance(chosen, Dataset) else None


def groups(dataset: Dataset, frame: int, keyword: str) -> Dataset:
    """Where the attributes of a functional group are (PS3.3 C.7.6.16): per frame, else shared, else the data set."""
    for holder in (
        item(dataset, "PerFrameFunctionalGroupsSequence", frame),
        item(dataset, "SharedFunctionalGroupsSequence"),
    ):
        found = item(holder, keyword) if holder is not None else None
        if found is not None:
            return found
    return dataset


def refuse_other_objects(dataset: Dataset, has_pixels: bool) -> None:
    """Raises ``ImageError``, naming the object, for every DICOM object that is not a picture to classify."""
    sop_class = str(value(dataset, "SOPClassUID") or "")
    meta = getattr(dataset, "file_meta", Dataset())
    if str(value(meta, "MediaStorageSOPClassUID")) == DIRECTORY or (
        value(dataset, "DirectoryRecordSequence") is not None and not has_pixels
    ):
        raise ImageError("This is a DICOMDIR, the table of contents of a disc. Choose one of the pictures beside it.")
    if sop_class in NOT_TO_CLASSIFY:
        raise ImageError(f"This DICOM file is {NOT_TO_CLASSIFY[sop_class]}, not a picture to classify.")
    if not has_pixels:
        name = UID_dictionary[sop_class][0].removesuffix(" Storage") if sop_class in UID_dictionary else "unknown kind"
        raise ImageError(f"This DICOM file holds no picture (object: {name}). Choose a picture.")


def syntax_name(uid: str) -> str:
    """The registered name of a transfer syntax, or "unknown"."""
    if uid in NEWER_SYNTAXES:
        return NEWER_SYNTAXES[uid]
    return UID_dictionary[uid][0].split(":")[0].split(" (")[0] if uid in UID_dictionary else "unknown"


def windows(
    dataset: Dataset, frame: int, little_endian: bool, signed: bool
) -> tuple[tuple[Window, ...], tuple[str, ...]]:
    """VOI LUTs, then windows of the frame, the first eight of each (PS3.3 C.11.2, C.7.6.16.2.10); warnings."""
    holder = groups(dataset, frame, "FrameVOILUTSequence")
    found: list[Window] = []
    damaged = 0
    for table in _voi_tables(holder, little_endian, signed):
        if table is None:
            damaged += 1
            continue
        count = len(table.entries)
        lut = tuple(table.entries.tolist())
        found.append(Window(table.first + count / 2, float(count), "LUT", "", lut, table.first, table.top))
    centres, widths = (_numbers(value(holder, keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    names = value(holder, "WindowCenterWidthExplanation")
    names = list(names[:MOST_WINDOWS]) if isinstance(names, MultiValue) else [names]
    function = word(holder, "VOILUTFunction") or "LINEAR"
    damaged += (function not in FUNCTIONS[:3]) or len(centres) != len(widths)
    function = function if function in FUNCTIONS[:3] else "LINEAR"
    for index, (centre, width) in enumerate(zip(centres[:MOST_WINDOWS], widths, strict=False)):
        curve = "LINEAR_EXACT" if function == "LINEAR" and 0 < width < 1 else function
        name = str(names[index]).strip().upper().replace(" ", "_") if index < len(names) else ""
        try:
            found.append(Window(centre, width, curve, name if name in WINDOW_NAMES else ""))
        except ImageError:
            damaged += 1
    damaged += not centres and value(holder, "WindowCenter") is not None
    notes = ("A window or lookup table of the file is damaged and was left out.",) if damaged else ()
    return tuple(found), notes


def spacing(dataset: Dataset, frame: int) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(between rows, between columns) in mm, and a warning where it holds at detector or film only (PS3.3 10.7.1.1).

    So it does where Pixel Spacing is the detector's own: it was copied, and not corrected for magnification.
    """
    detector = _numbers(value(dataset, "ImagerPixelSpacing"))
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        holder = groups(dataset, frame, "PixelMeasuresSequence") if keyword == "PixelSpacing" else dataset
        pair = _numbers(value(holder, keyword))
        if len(pair) == 2 and min(pair) > 0:
            notes = ("Distances hold at the detector, not in the patient.",) if pair == detector else ()
            if keyword == "NominalScannedPixelSpacing":
                notes = ("Distances hold on the film that was scanned, not in the patient.",)
            return (pair[0], pair[1]), notes
    return None, ()


def aspect(dataset: Dataset, pixel_spacing: tuple[float, float] | None) -> float:
    """Height of a pixel over its width (PS3.3 C.7.6.3.1.7); 1.0 where nothing is said."""
    pair = _numbers(value(dataset, "PixelAspectRatio"))
    pair = list(pixel_spacing) if pixel_spacing else pair
    return pair[0] / pair[1] if len(pair) == 2 and min(pair) > 0 else 1.0


def orientation(dataset: Dataset, frame: int) -> tuple[str, str, str, str] | None:
    """Letters at the left, right, top and bottom edge, from PS3.3 C.7.6.2.1.1 or else C.7.6.1.1.1; None if unknown."""
    cosines = _numbers(value(groups(dataset, frame, "PlaneOrientationSequence"), "ImageOrientationPatient"))
    if len(cosines) == 6:
        right, bottom = letters(cosines[:3]), letters(cosines[3:])
    else:
        given = value(dataset, "PatientOrientation")
        right, bottom = map(str, given) if isinstance(given, MultiValue) and len(given) == 2 else ("", "")
    if not all(0 < len(edge) <= 3 and set(edge) <= set("LRAPHF") for edge in (right, bottom)):
        return None
    return edges(right, bottom)


def tags(dataset: Dataset) -> dict[str, str]:
    """The facts about the picture that may be shown: words of ``VOCABULARY`` only."""
    return {keyword: found for keyword, known in VOCABULARY.items() if (found := word(dataset, keyword)) in known}


def colour_profile(dataset: Dataset) -> Any:
    """The ICC profile of the picture (PS3.3 C.11.15), or of the light path of a slide (C.8.12.5); None without one."""
    found = value(dataset, "ICCProfile")
    path = item(dataset, "OpticalPathSequence")
    return value(path, "ICCProfile") if found is None and path is not None else found


def is_hounsfield(dataset: Dataset, frame: int) -> bool:
    """Whether values are Hounsfield units once rescaled: those of a CT with a rescale that names no other unit.

    Only a CT image may leave the type out where it is HU (PS3.3 C.8.2.1), not a screenshot of one.
    """
    holder = groups(dataset, frame, "PixelValueTransformationSequence")
    given = value(holder, "RescaleIntercept") is not None and item(dataset, "ModalityLUTSequence") is None
    units = ("HU", "") if value(dataset, "SOPClassUID") in COMPUTED_TOMOGRAPHY else ("HU",)
    return given and word(dataset, "Modality") == "CT" and word(holder, "RescaleType") in units


def sop_class_name(dataset: Dataset) -> str:
    """The registered name of the object's class, or ""."""
    uid = str(value(dataset, "SOPClassUID") or "")
    return UID(uid).name if uid in UID_dictionary else ""


def table_of(holder: Dataset, prefix: str, little_endian: bool, signed: bool) -> Table:
    """The lookup table in the attributes ``<prefix>Descriptor`` and ``<prefix>Data`` or ``Segmented<prefix>Data``.

    Raises:
        DamagedTable: it is absent or does not fit together.
    """
    descriptor = _numbers(value(holder, f"{prefix}Descriptor"))
    plain, segmented = value(holder, f"{prefix}Data"), value(holder, f"Segmented{prefix}Data")
    data = plain if plain is not None else segmented
    if len(descriptor) != 3 or data is None:
        raise DamagedTable("absent")
    if not isinstance(data, bytes):
        data = [int(entry) for entry in _numbers(data)]
    return read_table(
        [int(entry) for entry in descriptor], data,
        little_endian=little_endian, signed=signed, segmented=plain is None,
    )  # fmt: skip


def _voi_tables(holder: Dataset, little_endian: bool, signed: bool) -> Iterator[Table | None]:
    """The first tables of the VOI LUT sequence, None for a damaged one."""
    for index in range(min(len(value(holder, "VOILUTSequence") or ()), MOST_WINDOWS)):
        entry = item(holder, "VOILUTSequence", index)
        try:
            yield table_of(entry, "LUT", little_endian, signed) if entry is not None else None
        except (DamagedTable, ValueError):
            yield None


def _numbers(found: Any) -> list[float]:
    """The finite numbers of an attribute; empty unless every one is finite."""
    if found is None or isinstance(found, bytes):
        return []
    parts = list(found) if isinstance(found, (MultiValue, list, tuple, np.ndarray)) else [found]
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if all(math.isfinite(part) for part in numbers) else []
