"""What a DICOM file says of its own kind, against what it is taken for."""

from medmamba.images import MedicalImage

X_RAY, SLIDE = ("X-ray",), ("histopathology", "blood-cell microscopy")
KINDS = {  # of DICOM's modalities; one that says nothing of the kind, as "OT", is not here
    "CT": ("CT",),
    "MR": ("MRI",),
    "US": ("ultrasound",),
    **dict.fromkeys(("CR", "DX", "IO", "MG", "PX", "RF", "RG", "XA"), X_RAY),
    "OP": ("fundus photography",),
    **dict.fromkeys(("OCT", "OPT"), ("OCT",)),
    "ES": ("endoscopy",),
    "DMS": ("dermatoscopy",),
    "XC": ("dermatoscopy", "smartphone skin photograph", "endoscopy"),
    **dict.fromkeys(("GM", "SM"), SLIDE),
    **dict.fromkeys(("NM", "PT"), ()),  # kinds that no task is about
}


def contradiction(image: MedicalImage, modality: str) -> str | None:
    """A warning where a file's header names another kind of picture than ``modality``."""
    named = image.tags.get("Modality")
    if named not in KINDS or modality in KINDS[named]:
        return None
    return f"By its header this is a picture of the modality {named}, but the question is about: {modality}."
