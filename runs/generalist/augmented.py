"""A recipe with further random changes: ``python augmented.py RECIPE OUT CHANGES``.

CHANGES is JSON: task name (or "*" for all others) -> values of ``tasks.Augmentation``; those that a task has stay.
"""

import json
import sys
from pathlib import Path

recipe, out, changes = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
content = json.loads(recipe.read_text(encoding="utf-8"))
for task in content["tasks"]:
    task["augmentation"] = changes.get(task["name"], changes.get("*", {})) | task["augmentation"]
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
