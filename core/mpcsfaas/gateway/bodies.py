"""Request bodies and answers in JSON or msgpack."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from fastapi import Request, Response

from mpcsfaas.gateway import problems

JSON = "application/json"
MSGPACK = "application/x-msgpack"
MEDIA_TYPES = (JSON, MSGPACK)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Decoder(Protocol[T_co]):
    def decode(self, data: bytes | msgspec.Raw, /) -> T_co: ...


def media_type(content_type: str) -> str:
    """A Content-Type header without its parameters."""
    return content_type.partition(";")[0].strip().lower()


class BodyReader(Generic[T]):
    """Reads request bodies of one schema."""

    def __init__(self, schema: type[T], media_types: Sequence[str] = MEDIA_TYPES) -> None:
        decoders: dict[str, _Decoder[T]] = {
            JSON: msgspec.json.Decoder(schema),
            MSGPACK: msgspec.msgpack.Decoder(schema),
        }
        self._decoders = {name: decoders[name] for name in media_types}

    async def read(self, request: Request) -> T:
        """The body of `request`. Raises `Problem`: 400, 413, 415 or 422."""
        content_type = media_type(request.headers.get("content-type", ""))
        if content_type not in self._decoders:
            raise problems.unsupported_media_type(content_type, list(self._decoders))
        return self.decode(await request.body(), content_type)

    def decode(self, data: bytes | msgspec.Raw, content_type: str) -> T:
        """`data` by its schema. Raises `Problem`: 400 or 422."""
        try:
            return self._decoders[content_type].decode(data)
        except msgspec.ValidationError as error:
            # Bad base64 is a payload that no serializer wrote, in every other respect a field of the right type.
            if "base64" in str(error):
                raise problems.invalid_payload(str(error)) from None
            raise problems.invalid_structure(error) from None
        except RecursionError:
            raise problems.malformed_body("it is nested too deeply") from None
        except ValueError as error:
            raise problems.malformed_body(str(error)) from None


def wants_msgpack(request: Request) -> bool:
    """True when the client asked for msgpack."""
    return MSGPACK in request.headers.get("accept", "")


def respond(request: Request, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in the format that the client asked for."""
    if wants_msgpack(request):
        return Response(msgspec.msgpack.encode(body), status, headers, MSGPACK)
    return Response(msgspec.json.encode(body), status, headers, JSON)
