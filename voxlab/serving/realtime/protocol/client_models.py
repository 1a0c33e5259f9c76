"""The openai package's models of what a client says, narrowed to what this server can do.

The SDK never validates with them; we do, strictly. Written anew is only what they leave open: how
large a number may be, what a part of a message needs, and what no engine stands behind (images,
MCP tools, sessions that only transcribe). Source: openai/types/realtime/realtime_client_event.py.
"""

from typing import Annotated, Any, Literal

from openai import BaseModel
from openai.types import realtime as sdk
from openai.types.realtime import realtime_audio_formats as formats
from openai.types.realtime import realtime_response_create_audio_output as response_audio
from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad
from openai.types.responses import ToolChoiceFunction
from pydantic import AfterValidator, Discriminator, Field, TypeAdapter

_Id = Annotated[str, Field(min_length=1, max_length=256)]
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Window = Annotated[int, Field(ge=0, le=60_000)]  # ms


# --- sessions and responses -----------------------------------------------------------------


class _PCM(formats.AudioPCM):
    type: Literal["audio/pcm"]
    rate: Annotated[int, Field(ge=24_000, le=24_000)] | None = None  # type: ignore[assignment]


class _PCMU(formats.AudioPCMU):
    type: Literal["audio/pcmu"]


class _PCMA(formats.AudioPCMA):
    type: Literal["audio/pcma"]


_Format = Annotated[_PCM | _PCMU | _PCMA, Discriminator("type")]


class _ServerVAD(ServerVad):
    idle_timeout_ms: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    prefix_padding_ms: _Window | None = None
    silence_duration_ms: _Window | None = None
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None


class _Input(sdk.RealtimeAudioConfigInput):
    format: _Format | None = None
    turn_detection: Annotated[_ServerVAD | SemanticVad, Discriminator("type")] | None = None


class _Output(sdk.RealtimeAudioConfigOutput):
    format: _Format | None = None
    speed: Annotated[float, Field(ge=0.25, le=1.5)] | None = None


class _Audio(sdk.RealtimeAudioConfig):
    input: _Input | None = None
    output: _Output | None = None


class _Tool(sdk.RealtimeFunctionTool):
    type: Literal["function"]
    name: str


def _only_one(modalities: list[str]) -> list[str]:
    if len(modalities) != 1:
        raise ValueError("supported combinations are ['text'] and ['audio']")
    return modalities


_Modalities = Annotated[list[Literal["text", "audio"]], AfterValidator(_only_one)]
_Tools = Annotated[list[Annotated[_Tool, Discriminator("type")]], Field(max_length=128)]


def _none(include: list[str]) -> list[str]:
    if include:
        raise ValueError("no recogniser here tells logprobs: leave it out")
    return include


class _Settings(BaseModel):
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    output_modalities: _Modalities | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoiceFunction | None = None
    tools: _Tools | None = None


class _RetentionRatio(sdk.RealtimeTruncationRetentionRatio):
    retention_ratio: Annotated[float, Field(ge=0.0, le=1.0)]


class _Session(_Settings, sdk.RealtimeSessionCreateRequest):  # type: ignore[misc]
    audio: _Audio | None = None
    truncation: Literal["auto", "disabled"] | _RetentionRatio | None = None
    include: Annotated[list[str], AfterValidator(_none)] | None = None  # type: ignore[assignment]


class _ResponseOutput(response_audio.Output):
    format: _Format | None = None


class _ResponseAudio(sdk.RealtimeResponseCreateAudioOutput):
    output: _ResponseOutput | None = None


# --- items ----------------------------------------------------------------------------------


class _InputText(BaseModel):
    type: Literal["input_text"]
    text: str


class _InputAudio(BaseModel):
    type: Literal["input_audio"]
    audio: str
    transcript: str | None = None


class _OutputText(BaseModel):
    type: Literal["output_text"]
    text: str


_SystemPart = Annotated[_InputText, Discriminator("type")]
_UserPart = Annotated[_InputText | _InputAudio, Discriminator("type")]
_AssistantPart = Annotated[_OutputText, Discriminator("type")]


class _System(sdk.RealtimeConversationItemSystemMessage):
    id: _Id | None = None
    content: list[_SystemPart]  # type: ignore[assignment]


class _User(sdk.RealtimeConversationItemUserMessage):
    id: _Id | None = None
    content: list[_UserPart]  # type: ignore[assignment]


class _Assistant(sdk.RealtimeConversationItemAssistantMessage):
    id: _Id | None = None
    content: list[_AssistantPart]  # type: ignore[assignment]


class _Call(sdk.RealtimeConversationItemFunctionCall):
    id: _Id | None = None
    call_id: _Id | None = None


class _CallOutput(sdk.RealtimeConversationItemFunctionCallOutput):
    id: _Id | None = None


_Message = Annotated[_System | _User | _Assistant, Discriminator("role")]
_Item = Annotated[_Message | _Call | _CallOutput, Discriminator("type")]
_Given = Annotated[_Item | sdk.ResponseItemReference, Discriminator("type")]
_Key = Annotated[str, Field(max_length=64)]
_Value = Annotated[str, Field(max_length=512)]


class _Response(_Settings, sdk.RealtimeResponseCreateParams):  # type: ignore[misc]
    audio: _ResponseAudio | None = None
    conversation: Literal["auto", "none"] | None = None
    input: list[_Given] | None = None  # type: ignore[assignment]
    metadata: Annotated[dict[_Key, _Value], Field(max_length=16)] | None = None


# --- events ---------------------------------------------------------------------------------


class _SessionUpdate(sdk.SessionUpdateEvent):
    session: _Session


class _CreateItem(sdk.ConversationItemCreateEvent):
    item: _Item


class _Truncate(sdk.ConversationItemTruncateEvent):
    content_index: _Count
    audio_end_ms: _Count


class _CreateResponse(sdk.ResponseCreateEvent):
    response: _Response | None = None


_Event = Annotated[
    _SessionUpdate
    | sdk.InputAudioBufferAppendEvent
    | sdk.InputAudioBufferCommitEvent
    | sdk.InputAudioBufferClearEvent
    | _CreateItem
    | sdk.ConversationItemDeleteEvent
    | sdk.ConversationItemRetrieveEvent
    | _Truncate
    | _CreateResponse
    | sdk.ResponseCancelEvent,
    Discriminator("type"),
]


class _Expiry(BaseModel):
    anchor: Literal["created_at"] | None = None
    seconds: Annotated[int, Field(ge=10, le=7200)] | None = None


class _SecretRequest(BaseModel):
    expires_after: _Expiry | None = None
    session: _Session | None = None


CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(_Event)
SECRET_REQUEST: TypeAdapter[Any] = TypeAdapter(_SecretRequest)
