"""Imports point one way only, and third parties stay where they belong.

LAYERS has the lowest layer first; a module may import only from rows above its own. A module without a row fails: it
needs a place, and a name that says what it does.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = """
medmamba.arguments medmamba.errors medmamba.listing medmamba.percent medmamba.replacing
medmamba.spreadsheet medmamba.typed
medmamba.scan.calls medmamba.scan.kernel_cache medmamba.scan.lanes medmamba.scan.reference
medmamba.scan.steps medmamba.scan.threads
medmamba.scan.kernels
medmamba.scan.chunked medmamba.scan.cpu medmamba.scan.mamba_ssm medmamba.scan.triton_gpu
medmamba.scan
medmamba.ss2d
medmamba.network medmamba.onednn medmamba.sharpness
medmamba.model medmamba.optimisers medmamba.resnet
medmamba.distributed medmamba.inference medmamba.run_folder medmamba.variants

medmamba.images.colour medmamba.images.fuzz_seeds medmamba.images.limits medmamba.images.luts medmamba.images.picture
medmamba.images.codestream medmamba.images.sniff
medmamba.images.geometry medmamba.images.wire
medmamba.images.dicom_facts medmamba.images.nifti medmamba.images.tiff
medmamba.images.dicom_pixels
medmamba.images.raster
medmamba.images.dicom
medmamba.images.decode
medmamba.images.worker
medmamba.images.guard
medmamba.images
medmamba.images.formats
medmamba.images.fuzz

medmamba.archive
medmamba.bundle

medmamba.card_figures medmamba.conformal medmamba.protocols
medmamba.calibrate medmamba.metrics medmamba.novelty medmamba.preprocess medmamba.strangers medmamba.tasks
medmamba.corruptions medmamba.mixing medmamba.objective medmamba.receptive_field medmamba.run_settings medmamba.timing
medmamba.runtimes
medmamba.augment medmamba.card_words medmamba.checkpoints medmamba.data medmamba.data_sets medmamba.paired
medmamba.downloads medmamba.hub medmamba.official medmamba.recipe medmamba.sampling
medmamba.prepare medmamba.registry
medmamba.catalogue medmamba.classifier medmamba.deck
medmamba.observe medmamba.saliency
medmamba.sanity
medmamba.contenders medmamba.figures medmamba.pretrained medmamba.train
medmamba
medmamba.compare_page
medmamba.evaluate
medmamba.lessons
medmamba.benchmark medmamba.blend medmamba.classify medmamba.compare medmamba.deck_build medmamba.export
medmamba.import_weights medmamba.info medmamba.publish medmamba.robustness medmamba.push
medmamba.cli
medmamba.__main__

app.sheets app.texts
app.engine app.frames app.header app.line app.logs app.plots app.probe_checks app.settings app.store app.surface
app.check_space app.chores app.examples app.gate app.logins app.probe app.ray_engine app.service app.theme app.unread
app.memory app.uploads
app.present
app.opinion
app.admission app.ledger app.neutral app.proxies
app.classroom.marks app.classroom.rules app.classroom.tables app.classroom.throttle
app.classroom.store app.door
app.classroom.attendant app.classroom.opening app.classroom.results
app.classroom.views
app.classroom.record
app.classroom.routes
app.api app.mount app.routes
app.facts app.report
app.conversation app.quiz
app.batch app.tutor
app.learn_routes
app.tabs.batch app.tabs.classify app.tabs.learn app.tabs.models
app.ui
app.main
app.serving
app.cli app.space
app.__main__
"""
RANK = {name: rank for rank, row in enumerate(LAYERS.splitlines()) for name in row.split()}
ONLY_IN = {
    "gradio": "app",
    "fastapi": "app",
    "uvicorn": "app",
    "pydicom": "medmamba.images",
    "jsonschema": "medmamba.deck app.check_space",
    "numba": "medmamba.scan.calls medmamba.scan.kernels medmamba.scan.lanes",
    "mamba_ssm": "medmamba.scan.mamba_ssm",
    "triton": "medmamba.scan.triton_gpu",
    "pytorch_grad_cam": "medmamba.saliency",
    "argon2": "app.logins",
    "huggingface_hub": "medmamba",
    "prometheus_client": "app",
    "pydantic_settings": "app.settings",
    "pythonjsonlogger": "app.logs",
    "ray": "app.ray_engine",
    "segno": "app.classroom",
    "sqlalchemy": "app.classroom",
}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "common", "helpers", "misc"}


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    name_of(path): path
    for package in ("medmamba", "app")
    for path in ROOT.glob(f"{package}/**/*.py")
    if path.stat().st_size
}


def imports_of(path):
    """Dotted names imported anywhere in a file, in function bodies too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import on line {node.lineno}"
            dotted = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in dotted}
    return found


def faults_of(name, imported):
    """What a module imports that it may not."""
    for target in sorted(imported):
        if target in RANK and RANK[target] >= RANK[name]:
            yield f"{name} imports {target}, which is not below it"
        owners = ONLY_IN.get(target.partition(".")[0], name).split()
        if not any(name == owner or name.startswith(f"{owner}.") for owner in owners):
            yield f"{name} imports {target}, which is for {' and '.join(owners)} alone"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_downwards(name):
    assert name in RANK, f"{name} has no layer: give it a row in LAYERS"
    assert not NAMES_THAT_SAY_NOTHING & set(name.split(".")), f"name {name} after what it does"
    assert list(faults_of(name, imports_of(MODULES[name]))) == []


def test_every_row_is_of_modules_that_exist():
    assert sorted(RANK.keys() - MODULES.keys()) == []


def test_wrong_imports_are_found():
    assert list(faults_of("medmamba.model", {"torch", "medmamba.ss2d", "medmamba.errors"})) == []
    assert len(list(faults_of("medmamba.ss2d", {"medmamba.model"}))) == 1
    assert len(list(faults_of("medmamba.model", {"gradio", "pydicom.uid", "app.ui"}))) == 3
    assert list(faults_of("medmamba.images.dicom", {"pydicom.uid"})) == []
    assert list(faults_of("app.ui", {"gradio"})) == []
