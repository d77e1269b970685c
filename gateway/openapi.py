#!/usr/bin/env python3
"""The one source of /openapi.json: every route, field, answer and error is named once here, and put together for each method.

    python3 gateway/openapi.py >gateway/openapi.json

The gateway serves the file unchanged. tests/contract/openapi.py fails where the file is not what this prints, and where the
document and the running gateway differ.
"""

import json

JSON = "application/json"
PAGE_MAX, SIZE_MAX, TIME_MAX, BODY_MAX = 2**31 - 1, 1000, 253402300799999, 4096

# name: (description, schema in a query string, example)
FIELDS = {
    "vbot_id": ("VBot id of the customer. May be left out with X-API-KEY.", {"type": "string", "minLength": 1, "maxLength": 64},
                "VBOT001"),
    "project_code": ("Project code of the customer's account. May be left out with X-API-KEY.",
                     {"type": "string", "minLength": 1, "maxLength": 64}, "DEMO"),
    "phone": ("Number or extension of a party, caller or callee, in any usual spelling. May be left out with X-API-KEY: all calls of "
              "the account.", {"type": "string", "minLength": 1, "maxLength": 128}, "0912345678"),
    "page": ("Number of the page, from 1.", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX}, 1),
    "size": ("Calls on a page.", {"type": "integer", "minimum": 1, "maximum": SIZE_MAX}, 10),
    "from": ("Only calls that began at this Unix time or later: below 10^11 in seconds, else in milliseconds.",
             {"type": "integer", "minimum": 0, "maximum": TIME_MAX}, 1698200000),
    "to": ("Only calls that began before this Unix time, in the same units.", {"type": "integer", "minimum": 0, "maximum": TIME_MAX},
           1698300000),
}
LIST_FIELDS = list(FIELDS)
COUNT_FIELDS = [name for name in FIELDS if name not in ("page", "size")]
TENANT_FIELDS = ["vbot_id", "project_code"]

FLAT_TENANT = "{} May be left out where the token opens one account only."


def filtering(description, kind, example, **more):
    return description + " -1: no condition.", {"type": kind, **more}, example


# The same of generation 4.
FLAT_FIELDS = {
    "vbot_id": (FLAT_TENANT.format("VBot id of the customer."), FIELDS["vbot_id"][1], "VBOT001"),
    "project_code": (FLAT_TENANT.format("Project code of the customer's account."), FIELDS["project_code"][1], "DEMO"),
    "page": ("Number of the page, from 0.", {"type": "integer", "minimum": 0, "maximum": PAGE_MAX - 1, "default": 0}, 0),
    "size": ("Calls on a page.", {"type": "integer", "minimum": 1, "maximum": SIZE_MAX, "default": 20}, 20),
    "from": filtering("Only calls that began at this Unix time or later: below 10^11 in seconds, else in milliseconds.", "integer",
                      1698200000000, minimum=-1, maximum=TIME_MAX),
    "to": filtering("Only calls that began before this Unix time, in the same units.", "integer", 1698300000000, minimum=-1,
                    maximum=TIME_MAX),
    "key_search": filtering("Only calls with a party whose number contains this; with ten digits or more: whose number this is, in any usual "
                            "spelling.", "string", "0912345678", minLength=1, maxLength=128),
    "hotline": filtering("Only calls of this hotline, in any usual spelling.", "string", "19001000", minLength=1, maxLength=128),
    "disposition": filtering("Only calls with this disposition.", "string", "ANSWER", minLength=1, maxLength=1024),
    "type_call": filtering("Only calls of this type: 1 in, 2 out, 3 missed.", "integer", 1, enum=[-1, 1, 2, 3]),
    "min_postage": filtering("Only calls whose charge is at least this.", "number", 5.5),
    "max_postage": filtering("Only calls whose charge is at most this.", "number", 1500),
    "customer_code": filtering("Only calls with just this customer code.", "string", "cus_556677", minLength=1, maxLength=1024),
    "group_member_no": filtering("Only calls with just this group of members.", "string", "mem_12345", minLength=1, maxLength=1024),
    "has_hotline": ("-1: only calls with a hotline; 0: only calls without one; 1: all.", {"type": "integer", "enum": [-1, 0, 1],
                                                                                         "default": -1}, 1),
    "member_no": filtering("Only calls in which a party has just this member number.", "string", "101", minLength=1, maxLength=1024),
}
FLAT_LIST_FIELDS = list(FLAT_FIELDS)
FLAT_FIELDS["group_id"] = ("The group_id of a call.", {"type": "string", "minLength": 1, "maxLength": 1024}, "grp-1")
FLAT_DETAIL_FIELDS = [*TENANT_FIELDS, "group_id"]
FLAT_COUNT_FIELDS = [name for name in FLAT_FIELDS if name not in ("page", "size", "group_id")]
CHANGE_FIELDS = {
    "vbot_id": FLAT_FIELDS["vbot_id"],
    "project_code": FLAT_FIELDS["project_code"],
    "change_token": ("next_change_token of an earlier answer: the changes after it. Left out: no changes, only the token of now.",
                     {"type": "string", "minLength": 1, "maxLength": 128}, "AXTWkQo2Zw0b"),
    "size": ("Changes to read.", {"type": "integer", "minimum": 1, "maximum": SIZE_MAX, "default": 50}, 50),
}

# status: (name, description, headers besides the common ones, example of the message)
ERRORS = {
    400: ("BadRequest", "A field is wrong; the message names it.", [], "size must be a whole number from 1 to 1000"),
    401: ("Unauthenticated", "The token is missing, malformed, unknown, expired or revoked.", ["WWW-Authenticate"],
          "Authorization is missing: a bearer token is needed"),
    403: ("PermissionDenied", "The token does not open this account.", [], "the token does not open this tenant"),
    404: ("NotFound", "There is no such path or record.", [], "no such path"),
    405: ("MethodNotAllowed", "The path does not serve this method.", ["Allow"], "method not allowed; see the Allow header"),
    408: ("RequestTimeout", "The request was not complete in time. The connection is closed.", [], "the request was not complete in time"),
    409: ("KeyRefused", "The token is missing, malformed, unknown, expired or revoked, or does not open this account.", [],
          "a valid access token is needed"),
    410: ("TokenExpired", "Changes since the token are no longer kept: start over without one.", [],
          "change_token: changes after it are no longer kept: start over without one"),
    413: ("ContentTooLarge", f"The body is over {BODY_MAX} bytes.", [], f"body is larger than {BODY_MAX} bytes"),
    414: ("UriTooLong", "The target is longer than 8 KiB. The connection is closed.", [], "the target is longer than 8 KiB"),
    415: ("UnsupportedMediaType", "The body is compressed.", [],
          "Content-Encoding: compressed bodies are not served, send the body as it is"),
    429: ("TooManyRequests", "The token's rate is used up, or too much is in flight.", ["Retry-After"],
          "too many requests; try again later"),
    431: ("HeaderFieldsTooLarge", "The headers are larger than 8 KiB. The connection is closed.", [], "the headers are larger than 8 KiB"),
    500: ("InternalError", "An internal error.", [], "internal error; give the X-Request-Id header to the operator"),
    503: ("Unavailable", "The service is unavailable, or there are too many connections.", ["Retry-After"],
          "the service is unavailable; try again later"),
    504: ("DeadlineExceeded", "The service did not answer within the request's time.", [], "the service did not answer in time"),
    505: ("VersionNotSupported", "The request is not HTTP/1. The connection is closed.", [],
          "this version of HTTP is not supported; use version 1.1"),
}
# A refused token is 401 or 403 in generations 1 to 3, and 409 in generation 4.
OLD_ERRORS = [status for status in ERRORS if status not in (409, 410)]
FLAT_ERRORS = [status for status in ERRORS if status not in (401, 403, 410)]
CHANGE_ERRORS = [status for status in ERRORS if status != 409]
OPERATION_ERRORS = [400, 405, 408, 413, 414, 415, 431, 503, 505]

COMMON_HEADERS = ["X-Request-Id", "Cache-Control"]
# name: (description, schema, whether it is always there)
HEADERS = {
    "X-Request-Id": ("The request's own id where it is sane, else a new one.", {"type": "string"}, True),
    "Cache-Control": ("Answers are never cached.", {"const": "no-store"}, True),
    "Retry-After": ("Seconds to wait.", {"type": "string", "pattern": "^[0-9]+$"}, True),
    "Allow": ("Methods that the path serves.", {"type": "string"}, True),
    "WWW-Authenticate": ("The scheme to use.", {"const": "Bearer"}, True),
    "Location": ("URL of the recording.", {"type": "string", "format": "uri"}, True),
    "X-Unknown-Fields": ("With `Prefer: handling=lenient`: names of fields that were sent and are not known.", {"type": "string"}, False),
    "Access-Control-Allow-Origin": ("The origin of the request, if it is allowed.", {"type": "string"}, False),
    "Access-Control-Allow-Methods": ("Methods that a page of this origin may use.", {"type": "string"}, False),
    "Access-Control-Allow-Headers": ("Headers that a page of this origin may send.", {"type": "string"}, False),
}

FLAT_DETAIL_KEYS = ["trans_id", "group_id", "create_at", "call_at", "time_call", "duration", "caller_info", "callee_info", "disposition",
                    "hangup_cause", "sip_code", "end_call", "hotline", "is_record", "postage", "conference_id", "payment_channel",
                    "auto_dial_service_charge", "customer_code", "type_call", "external_call_id", "group_member_no"]

PARTY = {"phone": "0912345678", "vbot_id": "", "date_create": "10/25/2023 10:34:15", "disposition": "ANSWER", "time_call": "120",
         "postage": 6.1, "source": "softphone", "member_no": ""}
CALL = {"hotline_number": "02471088999", "date_create": "10/25/2023 10:34:15", "caller": [PARTY],
        "callee": [{**PARTY, "phone": "101", "vbot_id": "VBOT001", "postage": 0, "source": "", "member_no": "101"}],
        "time_call": "120", "type_call": "CALLIN", "disposition": "ANSWER", "record_file": ["https://files.example.com/rec/1.mp3"]}
FLAT_CALL = {"trans_id": "call-000001", "group_id": "grp-1", "create_at": 1698204855000, "call_at": 1698204860000,
             "caller_info": {"member_no": "", "number": "0912345678", "name": "", "channel": "", "type": "Phone", "telco_code": "VTL"},
             "callee_info": {"member_no": "101", "number": "101", "name": "Lan", "channel": "SIP/101", "type": "USER", "telco_code": ""},
             "hotline": "02471088999", "type_call": 1, "end_call": "CALLER", "postage": 6.1, "time_call": 120, "duration": 125,
             "disposition": "ANSWER", "is_record": True, "customer_code": "", "payment_channel": "", "group_member_no": "",
             "external_call_id": "", "auto_dial_service_charge": 0}
FLAT_DETAIL = {key: {**FLAT_CALL, "hangup_cause": "NORMAL_CLEARING", "sip_code": "200", "conference_id": ""}[key]
               for key in FLAT_DETAIL_KEYS}


def ref(kind, name):
    return {"$ref": f"#/components/{kind}/{name}"}


def success(data, message="success"):
    return {"status": 1, "error": 0, "message": message, "data": data}


# -- Requests -----------------------------------------------------------------------------------------------------------


def body_field(fields, name):
    """A field as it may come in a body: numbers as decimal strings too."""
    description, schema, _ = fields[name]
    if schema["type"] == "string":
        return {**schema, "description": description}
    # A string's bounds are the number's; a pattern can express their lengths only.
    digits = len(str(schema.get("maximum", "1")))
    minus = "-?" if schema.get("minimum", -1) < 0 else ""
    text = {"type": "string", "pattern": f"^{minus}[0-9]{{1,{digits}}}$"} if schema["type"] == "integer" else {"type": "string"}
    return {"description": description, "oneOf": [schema, text]}


def request_schema(names, description, fields=None):
    fields = fields or FIELDS
    plain = {"type": ["string", "number", "boolean", "null"]}
    example = {name: fields[name][2] for name in names if name not in ("from", "to")}
    schema = {"type": "object", "description": description, "properties": {name: body_field(fields, name) for name in names},
              "additionalProperties": plain, "examples": [example]}
    if "page" in names and fields is FIELDS:
        schema["dependentRequired"] = {"page": ["size"], "size": ["page"]}
        schema["examples"].append({name: example[name] for name in example if name not in ("page", "size")})
    return schema


def request_body(schema):
    return {"required": False, "description": f"At most {BODY_MAX} bytes.", "content": {JSON: {"schema": ref("schemas", schema)}}}


# -- Answers ------------------------------------------------------------------------------------------------------------


def headers(*more):
    return {name: ref("headers", name) for name in (*COMMON_HEADERS, *more)}


def answer(description, content=None, more=()):
    made = {"description": description, "headers": headers(*more)}
    return {**made, "content": content} if content else made


def error(status):
    name, description, more, message = ERRORS[status]
    example = {"status": 0, "error": status, "message": message}
    return answer(description, {JSON: {"schema": ref("schemas", "CallHistoryError"), "example": example}}, more)


def responses(status, good, errors, with_content=True):
    """All answers of an operation. Those of HEAD have no content, errors included."""
    made = {str(status): good}
    for code in errors:
        name, description, more, message = ERRORS[code]
        made[str(code)] = ref("responses", name) if with_content else answer(description, None, more)
    return made


# -- Routes -------------------------------------------------------------------------------------------------------------


def operation(ids, tag, summary, description, good, parameters=(), body=None, errors=tuple(ERRORS), status=200, head=False):
    made = {"operationId": ids, "tags": [tag], "summary": summary, "description": description}
    if parameters:
        made["parameters"] = list(parameters)
    if body:
        made["requestBody"] = body
    if head:
        good = {key: value for key, value in good.items() if key != "content"}
    made["responses"] = responses(status, good, errors, not head)
    made["security"] = [{"bearer": []}, {"apiKey": []}] if tag == "history" else []
    return made


def preflight(ids, parameters=()):
    good = answer("What a browser's page may do.", None, ("Allow", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
                                                          "Access-Control-Allow-Headers"))
    made = operation(ids, "history", "CORS preflight", "Served where the deployment lists browsers' origins; else 405.", good,
                     parameters, errors=[400, 404, 405, 408, 414, 431, 503, 505], status=204)
    return {**made, "security": []}


def query_parameters(names, prefix):
    return [ref("parameters", prefix + name) for name in names] + [ref("parameters", "Prefer"), ref("parameters", "X-Request-Timeout")]


def asking(name, summary, description, names, schema, good, status=200, path=(), prefix="query_", errors=tuple(OLD_ERRORS)):
    """The methods of a path of the contract; `path` are its own parameters. OpenAPI 3.1 cannot describe QUERY."""
    parameters, body = [*path, *query_parameters(names, prefix)], request_body(schema)
    also = " The fields may come in the query string, in a JSON body, or some here and some there; one given twice with different " \
           "values is refused."
    made = {method: operation(method + name, "history", summary, description + also, good, parameters, body, errors, status)
            for method in ("get", "post")}
    made["head"] = operation("head" + name, "history", summary, "As GET, without the body.", good, parameters, errors=errors, status=status,
                             head=True)
    made["options"] = preflight("preflight" + name, path)
    made["x-query"] = operation("query" + name, "history", summary, description + also, good, parameters, body, errors, status)
    return made


def asking_flat(name, summary, description, names, schema, good):
    return asking(name, summary, description, names, schema, good, prefix="flat_", errors=tuple(FLAT_ERRORS))


def reading(ids, tag, summary, description, good, errors):
    make = {"get": operation(ids, tag, summary, description, good, errors=errors)}
    make["head"] = operation("head" + ids[0].upper() + ids[1:], tag, summary, "As GET, without the body.", good, errors=errors, head=True)
    return make


def receiving(ids, summary, description, body, security):
    """The one method of a webhook."""
    good = answer("The call is recorded, or the event is no call.",
                  {JSON: {"schema": ref("schemas", "WebhookAnswer"), "example": {"status": 1, "error": 0, "message": "success"}}})
    made = operation(ids, "webhooks", summary, description, good, errors=tuple(OLD_ERRORS),
                     body={"required": True, "description": "At most 1 MiB.", "content": body})
    return {"post": {**made, "security": [{name: []} for name in security]}}


def paths():
    count = {JSON: {"schema": ref("schemas", "CallCountAnswer"), "example": success(4)}}
    either = {JSON: {"schema": {"oneOf": [ref("schemas", "CallListAnswer"), ref("schemas", "CallCountAnswer")]},
                     "examples": {"list": {"value": success([CALL])}, "count": {"value": success(4)}}}}
    record = asking("Recording", "Go to the recording of a call",
                    "Redirects to the recording's URL where its host is one that the deployment allows.", TENANT_FIELDS,
                    "CallRecordingRequest", answer("The recording is there.", None, ("Location",)), 302, [ref("parameters", "trans_id")])

    flat_list = {JSON: {"schema": ref("schemas", "FlatListAnswer"), "example": success([FLAT_CALL], "SUCCESS")}}
    flat_count = {JSON: {"schema": ref("schemas", "FlatCountAnswer"), "example": success(4, "SUCCESS")}}

    flat_detail = {JSON: {"schema": ref("schemas", "FlatDetailAnswer"), "example": success([FLAT_DETAIL], "SUCCESS")}}

    def status(word):
        return {JSON: {"schema": ref("schemas", "GatewayStatus"), "example": {"status": word}}}

    def operator(ids, summary, description, content):
        return reading(ids, "operation", summary, summary + ".", answer(description, content), errors=OPERATION_ERRORS)

    ready = operator("readyz", "Whether new requests are welcome", "Started and not draining.", status("ok"))
    away = "The gateway is shutting down."
    ready["get"]["responses"]["503"] = answer(away, status("unavailable"), ("Retry-After",))
    ready["head"]["responses"]["503"] = answer(away, None, ("Retry-After",))
    return {
        "/api/crm/historycall/getAll": asking(
            "All", "List or count calls", "A list with page and size, a count without both.", LIST_FIELDS, "CallHistoryRequest",
            answer("The calls, newest first, or how many there are.", either, ("X-Unknown-Fields",))),
        "/api/crm/historycall/countAll": asking(
            "Count", "Count calls", "Always a count; page and size are ignored.", COUNT_FIELDS, "CallCountRequest",
            answer("How many calls there are.", count, ("X-Unknown-Fields",))),
        "/api/crm/historycall/record/{trans_id}": record,
        "/m-cdr/api/call/get-all": asking_flat(
            "FlatAll", "List calls as flat objects", "Only calls with a hotline unless has_hotline is 0 or 1.", FLAT_LIST_FIELDS,
            "FlatListRequest", answer("The calls, newest first.", flat_list, ("X-Unknown-Fields",))),
        "/m-cdr/api/call/count-all": asking_flat(
            "FlatCount", "Count calls", "Only calls with a hotline unless has_hotline is 0 or 1; page and size are ignored.",
            FLAT_COUNT_FIELDS, "FlatCountRequest", answer("How many calls there are.", flat_count, ("X-Unknown-Fields",))),
        "/m-cdr/api/call/get-detail": asking_flat(
            "FlatDetail", "The legs of a call", "All calls with this group_id, at most 1000; 404 where there is none.", FLAT_DETAIL_FIELDS,
            "FlatDetailRequest", answer("The legs, newest first.", flat_detail, ("X-Unknown-Fields",))),
        "/api/v1/calls/changes": asking(
            "Changes", "What was recorded, replaced or deleted",
            "The calls that have changed since a token, in the order of the changes, whatever their dates. For a copy of an account's calls: "
            "get the token of now, list all calls, then apply the changes after the token, again and again: store a call by its trans_id, "
            "delete one with deleted. A change that is applied twice changes nothing.", list(CHANGE_FIELDS), "CallChangesRequest",
            answer("The changes, and the token after them.", {JSON: {"schema": ref("schemas", "CallChangesAnswer"), "example": success(
                {"changes": [{"trans_id": "call-000001", **CALL}, {"trans_id": "call-000002", "deleted": True}],
                 "next_change_token": "AXTWkQo2Zw0b", "more": False})}}, ("X-Unknown-Fields",)),
            prefix="changes_", errors=tuple(CHANGE_ERRORS)),
        "/webhooks/vbot": receiving(
            "postVbot", "Record a call from an event of the vendor's console",
            "Events that are no call, and unknown ones, are answered with success and not stored.",
            {JSON: {"schema": {"type": "object"}}}, ("bearer", "apiKey")),
        "/webhooks/freeswitch": receiving(
            "postFreeswitch", "Record a leg from FreeSWITCH's mod_json_cdr",
            "The body is recognised by its bytes: JSON, or cdr= and JSON that is percent-encoded or in base64.",
            {"*/*": {"schema": {"type": "string"}}}, ("basic", "bearer", "apiKey")),
        "/healthz": operator("healthz", "Whether all workers make progress", "All workers make progress.", status("ok")),
        "/readyz": ready,
        "/metrics": operator("metrics", "Metrics for Prometheus", "Prometheus's text format.",
                             {"text/plain": {"schema": {"type": "string"}}}),
        "/": operator("index", "What this is", "The product, its version and its paths.", {"text/html": {"schema": {"type": "string"}}}),
        "/docs": operator("docs", "This document as a page", "A page that renders this document.", {"text/html": {"schema": {"type": "string"}}}),
        "/docs.js": operator("docsScript", "The script of /docs", "JavaScript.", {"text/javascript": {"schema": {"type": "string"}}}),
        "/openapi.json": operator("openapi", "This document", "OpenAPI 3.1.", {JSON: {"schema": {"type": "object"}}}),
    }


# -- Schemas ------------------------------------------------------------------------------------------------------------


def text(description, **more):
    return {"type": "string", "description": description, **more}


def record_schema(description, documented, later):
    return {"type": "object", "description": description, "required": list(documented), "properties": {**documented, **later}}


def envelope(properties):
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def flat_call():
    """The fields of a call of generation 4, in their order."""
    moment = {"type": "integer", "minimum": 0}
    seconds = {"type": "integer", "minimum": 0}
    return {
        "trans_id": text("Id of the call."),
        "group_id": text("Shared by the legs of one call."),
        "create_at": {**moment, "description": "When the call began, Unix time in ms."},
        "call_at": {**moment, "description": "When the talk began, Unix time in ms; 0: never, or not recorded."},
        "caller_info": ref("schemas", "FlatParty"),
        "callee_info": ref("schemas", "FlatParty"),
        "hotline": text("Public number of the account."),
        "type_call": {"enum": [0, 1, 2, 3], "description": "1 in, 2 out, 3 missed; 0: not recorded."},
        "end_call": text("Who ended the call: CALLER, CALLEE or a channel."),
        "postage": {"type": "number", "description": "Charge."},
        "time_call": {**seconds, "description": "Seconds of talk."},
        "duration": {**seconds, "description": "Seconds, ringing included."},
        "disposition": ref("schemas", "CallDisposition"),
        "is_record": {"type": "boolean", "description": "Whether there is a recording."},
        "customer_code": text("The customer's code."),
        "payment_channel": text("Channel that the charge was paid through."),
        "group_member_no": text("Group of members that the call was routed to."),
        "external_call_id": text("Id of the call in the customer's own system."),
        "auto_dial_service_charge": {"type": "number", "description": "Charge of the automatic dialler."},
    }


def flat_detail():
    """The fields of a leg, in their order."""
    fields = {**flat_call(), "hangup_cause": text("Hang-up cause, as the PBX reports it."),
              "sip_code": text("Final SIP status code, as the PBX reports it."), "conference_id": text("Conference, where there was one.")}
    return {key: fields[key] for key in FLAT_DETAIL_KEYS}


def schemas():
    codes = "MORE, MISSCALL, ANSWER, BUSY, NOANSWER, CANCEL, SOMEONEANSWERED, LOGOUT, INCALL, CONGESTION, CHANUNAVAIL, DONTCALL, " \
            "TORTURE, INVALIDARGS, NORMAL_CLEARING, or another value as recorded."
    parties = {"type": "array", "items": ref("schemas", "CallParty")}
    keys = "Unknown keys are ignored. The value of a key must not be an array or an object, and no key may be repeated."
    good = {"status": {"const": 1}, "error": {"const": 0}, "message": {"const": "success"}}
    flat_good = {**good, "message": {"const": "SUCCESS"}}
    return {
        "CallHistoryRequest": request_schema(LIST_FIELDS, "With neither page nor size it is a count, with both a list; with one of them it is "
                                               "refused. " + keys),
        "CallCountRequest": request_schema(COUNT_FIELDS, keys),
        "CallRecordingRequest": request_schema(TENANT_FIELDS, keys),
        "CallParty": record_schema("One end of a call.", {
            "phone": text("Number or extension, as recorded."),
            "vbot_id": text("VBot account, where there is one."),
            "date_create": ref("schemas", "CallLocalTime"),
            "disposition": ref("schemas", "CallDisposition"),
            "time_call": ref("schemas", "CallSeconds"),
            "postage": {"type": "number", "description": "Charge for this leg."},
            "source": text("Where the call was made from."),
            "member_no": text("Extension, where there is one."),
        }, {"duration_call": {"type": "integer", "minimum": 0, "description": "Seconds from ringing to hang-up, where recorded."}}),
        "CallRecord": record_schema("One call. The documented fields are always there, later ones where the record has them.", {
            "hotline_number": text("Public number of the account."),
            "date_create": ref("schemas", "CallLocalTime"),
            "caller": parties,
            "callee": parties,
            "time_call": ref("schemas", "CallSeconds"),
            "type_call": text("CALLIN, CALLOUT, MISSCALL, or another value as recorded.", examples=["CALLIN"]),
            "disposition": ref("schemas", "CallDisposition"),
            "record_file": {"type": "array", "items": {"type": "string"}, "description": "URLs of recordings."},
        }, {
            "event_data": text("Code of the event that delivered the record."),
            "duration_call": text("Seconds from ringing to hang-up.", pattern="^[0-9]+$"),
            "group_id": text("Group that the call went through."),
            "external_call_id": text("Id of the call in the customer's own system."),
        }),
        "CallLocalTime": text("MM/DD/YYYY HH:MM:SS, 24-hour, in the deployment's time zone; empty where not recorded.",
                          pattern="^([0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2})?$"),
        "CallSeconds": text("Whole seconds as a string; empty where not recorded.", pattern="^[0-9]*$"),
        "CallDisposition": text(codes, examples=["ANSWER"]),
        "CallListAnswer": envelope({**good, "data": {"type": "array", "maxItems": SIZE_MAX, "items": ref("schemas", "CallRecord")}}),
        "CallCountAnswer": envelope({**good, "data": {"type": "integer", "minimum": 0}}),
        "CallChangesRequest": request_schema(list(CHANGE_FIELDS), keys, CHANGE_FIELDS),
        "CallChange": {"oneOf": [
            {"allOf": [ref("schemas", "CallRecord"), {"type": "object", "required": ["trans_id"], "properties": {"trans_id": text("Id of the call.")}}]},
            envelope({"trans_id": text("Id of the call that was deleted."), "deleted": {"const": True}})]},
        "CallChangesAnswer": envelope({**good, "data": envelope({
            "changes": {"type": "array", "maxItems": SIZE_MAX, "items": ref("schemas", "CallChange")},
            "next_change_token": text("The token after these changes.", minLength=1),
            "more": {"type": "boolean", "description": "Whether there are further changes already."}})}),
        "FlatListRequest": request_schema(FLAT_LIST_FIELDS, keys, FLAT_FIELDS),
        "FlatCountRequest": request_schema(FLAT_COUNT_FIELDS, keys, FLAT_FIELDS),
        "FlatParty": envelope({
            "member_no": text("Extension, where there is one."), "number": text("Number or extension, as recorded."),
            "name": text("Display name."), "channel": text("Channel, as the PBX names it."),
            "type": text("Kind of party: USER, Phone, SIP or another."), "telco_code": text("Code of the phone company.")}),
        "FlatCall": envelope(flat_call()),
        "FlatDetailRequest": {**request_schema(FLAT_DETAIL_FIELDS, keys, FLAT_FIELDS), "required": ["group_id"]},
        "FlatDetail": envelope(flat_detail()),
        "FlatDetailAnswer": envelope({**flat_good, "data": {"type": "array", "minItems": 1, "maxItems": SIZE_MAX,
                                                            "items": ref("schemas", "FlatDetail")}}),
        "FlatListAnswer": envelope({**flat_good, "data": {"type": "array", "maxItems": SIZE_MAX, "items": ref("schemas", "FlatCall")}}),
        "FlatCountAnswer": envelope({**flat_good, "data": {"type": "integer", "minimum": 0}}),
        "CallHistoryError": envelope({"status": {"const": 0},
                           "error": {"type": "integer", "description": "The HTTP status code.", "minimum": 400, "maximum": 599},
                           "message": text("One sentence that names the field at fault.", minLength=1)}),
        "WebhookAnswer": envelope(good),
        "GatewayStatus": envelope({"status": {"type": "string", "enum": ["ok", "unavailable"]}}),
    }


def parameters():
    made = {"query_" + name: {"name": name, "in": "query", "description": description, "schema": schema, "example": example}
            for name, (description, schema, example) in FIELDS.items()}
    made |= {"flat_" + name: {"name": name, "in": "query", "description": description, "schema": schema, "example": example}
             for name, (description, schema, example) in FLAT_FIELDS.items()}
    made |= {"changes_" + name: {"name": name, "in": "query", "description": description, "schema": schema, "example": example}
             for name, (description, schema, example) in CHANGE_FIELDS.items()}
    made["trans_id"] = {"name": "trans_id", "in": "path", "required": True, "description": "Id of the call.",
                        "schema": {"type": "string", "minLength": 1, "maxLength": 256}, "example": "call-000001"}
    made["Prefer"] = {"name": "Prefer", "in": "header",
                      "description": "handling=strict: unknown fields are refused; handling=lenient: they are named in X-Unknown-Fields.",
                      "schema": {"type": "string", "enum": ["handling=strict", "handling=lenient"]}}
    made["X-Request-Timeout"] = {"name": "X-Request-Timeout", "in": "header", "schema": {"type": "integer", "minimum": 1,
                                                                                         "maximum": 600000},
                                 "description": "A shorter time for the request, in milliseconds."}
    return made


def document():
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Call History",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Call history of a customer's account, as the vendor documents it. One request may come as GET with a query "
                           "string, GET with a JSON body, POST or QUERY with either, or HEAD. OpenAPI 3.1 cannot describe QUERY; see "
                           "x-query. Errors take precedence in this order: 404, 405, 413, 415, 401, 400, 403, then those of the service. Answers over 1 KiB "
                           "are gzipped where the client accepts it. A request that is malformed gets its answer, then the connection is "
                           "closed.",
        },
        "servers": [{"url": "/", "description": "The gateway that serves this document."}],
        "tags": [{"name": "history", "description": "The documented contract."},
                 {"name": "webhooks", "description": "Records that telephone systems post. They require a writer's token."},
                 {"name": "operation", "description": "For those who run the gateway."}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Access token."},
                "basic": {"type": "http", "scheme": "basic", "description": "The password is the token; the user's name is ignored."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-KEY",
                           "description": "The same token; account fields and phone may then be left out."},
            },
            "headers": {name: {"description": description, "schema": schema, "required": always}
                        for name, (description, schema, always) in HEADERS.items()},
            "parameters": parameters(),
            "schemas": schemas(),
            "responses": {ERRORS[status][0]: error(status) for status in ERRORS},
        },
    }


if __name__ == "__main__":
    print(json.dumps(document(), indent=2, ensure_ascii=False))
