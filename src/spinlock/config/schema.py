"""The JSON schema of a configuration file, which editors use."""

from typing import Any

from spinlock.config.section import Section

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_schema(model: type[Section], title: str) -> dict[str, Any]:
    """Return the JSON schema of a file with the keys of ``model``; keys that begin with ``_`` are comments."""
    schema = model.model_json_schema()
    schema.pop("description")
    for table in (schema, *schema.get("$defs", {}).values()):
        table["patternProperties"] = {r"^_|^\$schema$": {}}
        for node in table["properties"].values():
            node.pop("title", None)
            node.pop("identity", None)
    return {"$schema": SCHEMA_DIALECT, **schema, "title": title}
