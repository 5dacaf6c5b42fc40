"""What the OpenAPI document says of every operation alike: its summary, and how it refuses.

    app = FastAPI(..., responses=PROBLEMS)
    describe(app)

This module must never name a status of its own: `web.problems` has the table.
"""

from typing import Any, Final

from fastapi import FastAPI

from meterseal_aggregator.web.problems import MAX_FAULTS, MEDIA_TYPE

_REFERENCE: Final = {"$ref": "#/components/schemas/Problem"}
_CONTENT: Final = {MEDIA_TYPE: {"schema": _REFERENCE}}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {  # Any: FastAPI's type
    "4XX": {"description": "Why not, and what to do (RFC 9457)", "content": _CONTENT},
    "5XX": {
        "description": "Not your fault: come again after Retry-After, or tell the operator",
        "content": _CONTENT,
    },
}
"""Answers of every operation: which of them, its `type` says."""
_TEXT: Final = {"type": "string"}
_PROBLEM: Final = {
    "title": "Problem",
    "type": "object",
    "description": "A problem document (RFC 9457); programs compare its `type`.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {**_TEXT, "pattern": "^urn:meterseal:problem:[a-z-]+$"},
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {**_TEXT, "description": "One sentence that says what to do"},
        "faults": {
            "type": "array",
            "maxItems": MAX_FAULTS,
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": _TEXT, "what": _TEXT},
            },
        },
    },
    "example": {
        "type": "urn:meterseal:problem:too-late",
        "title": "Conflict",
        "status": 409,
        "detail": "the slot at 1790000100 has begun",
    },
}


def describe(app: FastAPI) -> None:
    """Let the app's document define what `PROBLEMS` refers to, and sum each operation up."""
    made = app.openapi

    def document() -> dict[str, Any]:  # Any: JSON
        found = made()
        found["components"]["schemas"]["Problem"] = _PROBLEM
        for item in found["paths"].values():
            for operation in item.values():
                operation["summary"] = _first_sentence(operation["description"])
        return found

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's own guide has it


def _first_sentence(description: str) -> str:
    """Return how lists of operations show one: FastAPI would show its function's name."""
    return description.splitlines()[0].rstrip(".:")
