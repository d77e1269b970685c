#!/usr/bin/env python3
"""The one source of /openapi.json: every route, field, answer and error is named once here, and put together for each method.

    python3 gateway/openapi.py >gateway/openapi.json

The gateway serves the file as it stands. tests/contract/openapi.py fails where the file is not what this prints, and where the
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

# status: (name, description, headers besides the common ones, example of the message)
ERRORS = {
    400: ("BadRequest", "A field is wrong; the message names it.", [], "size must be a whole number from 1 to 1000"),
    401: ("Unauthenticated", "The token is missing, malformed, unknown, expired or revoked.", ["WWW-Authenticate"],
          "Authorization is missing: a bearer token is needed"),
    403: ("PermissionDenied", "The token does not open this account.", [], "the token does not open this tenant"),
    404: ("NotFound", "There is no such path or record.", [], "no such path"),
    405: ("MethodNotAllowed", "The path does not serve this method.", ["Allow"], "method not allowed; see the Allow header"),
    408: ("RequestTimeout", "The request was not complete in time. The connection is closed.", [], "the request was not complete in time"),
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
    "Access-Control-Allow-Origin": ("The origin that asked, where it is on the list.", {"type": "string"}, False),
    "Access-Control-Allow-Methods": ("Methods that a page of this origin may use.", {"type": "string"}, False),
    "Access-Control-Allow-Headers": ("Headers that a page of this origin may send.", {"type": "string"}, False),
}

PARTY = {"phone": "0912345678", "vbot_id": "", "date_create": "10/25/2023 10:34:15", "disposition": "ANSWER", "time_call": "120",
         "postage": 6.1, "source": "softphone", "member_no": ""}
CALL = {"hotline_number": "02471088999", "date_create": "10/25/2023 10:34:15", "caller": [PARTY],
        "callee": [{**PARTY, "phone": "101", "vbot_id": "VBOT001", "postage": 0, "source": "", "member_no": "101"}],
        "time_call": "120", "type_call": "CALLIN", "disposition": "ANSWER", "record_file": ["https://files.example.com/rec/1.mp3"]}


def ref(kind, name):
    return {"$ref": f"#/components/{kind}/{name}"}


def success(data):
    return {"status": 1, "error": 0, "message": "success", "data": data}


# -- Requests -----------------------------------------------------------------------------------------------------------


def body_field(name):
    """A field as it may come in a body: integers as decimal strings too."""
    description, schema, _ = FIELDS[name]
    if schema["type"] != "integer":
        return {**schema, "description": description}
    # A string's bounds are the integer's; a pattern tells their lengths only.
    digits = len(str(schema["maximum"]))
    return {"description": description, "oneOf": [schema, {"type": "string", "pattern": f"^[0-9]{{1,{digits}}}$"}]}


def request_schema(names, description):
    plain = {"type": ["string", "number", "boolean", "null"]}
    example = {name: FIELDS[name][2] for name in names if name not in ("from", "to")}
    schema = {"type": "object", "description": description, "properties": {name: body_field(name) for name in names},
              "additionalProperties": plain, "examples": [example]}
    if "page" in names:
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
    """All answers of an operation. HEAD has none with content, so its errors are told without."""
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


def query_parameters(names):
    return [ref("parameters", "query_" + name) for name in names] + [ref("parameters", "Prefer"), ref("parameters", "X-Request-Timeout")]


def asking(name, summary, description, names, schema, good, status=200, path=()):
    """The methods of a path that asks about calls; `path` are its own parameters. OpenAPI 3.1 cannot describe QUERY."""
    parameters, body = [*path, *query_parameters(names)], request_body(schema)
    also = " The fields may come in the query string, in a JSON body, or some here and some there; one given twice with different " \
           "values is refused."
    made = {method: operation(method + name, "history", summary, description + also, good, parameters, body, status=status)
            for method in ("get", "post")}
    made["head"] = operation("head" + name, "history", summary, "As GET, without the body.", good, parameters, status=status, head=True)
    made["options"] = preflight("preflight" + name, path)
    made["x-query"] = operation("query" + name, "history", summary, description + also, good, parameters, body, status=status)
    return made


def reading(ids, tag, summary, description, good, errors):
    make = {"get": operation(ids, tag, summary, description, good, errors=errors)}
    make["head"] = operation("head" + ids[0].upper() + ids[1:], tag, summary, "As GET, without the body.", good, errors=errors, head=True)
    return make


def paths():
    count = {JSON: {"schema": ref("schemas", "CallCountAnswer"), "example": success(4)}}
    either = {JSON: {"schema": {"oneOf": [ref("schemas", "CallListAnswer"), ref("schemas", "CallCountAnswer")]},
                     "examples": {"list": {"value": success([CALL])}, "count": {"value": success(4)}}}}
    record = asking("Recording", "Go to the recording of a call",
                    "Redirects to the recording's URL where its host is one that the deployment allows.", TENANT_FIELDS,
                    "CallRecordingRequest", answer("The recording is there.", None, ("Location",)), 302, [ref("parameters", "trans_id")])

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


def schemas():
    codes = "MORE, MISSCALL, ANSWER, BUSY, NOANSWER, CANCEL, SOMEONEANSWERED, LOGOUT, INCALL, CONGESTION, CHANUNAVAIL, DONTCALL, " \
            "TORTURE, INVALIDARGS, NORMAL_CLEARING, or another value as recorded."
    parties = {"type": "array", "items": ref("schemas", "CallParty")}
    keys = "Unknown keys are ignored; none may hold an array or an object, and none may come twice."
    good = {"status": {"const": 1}, "error": {"const": 0}, "message": {"const": "success"}}
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
        "CallHistoryError": envelope({"status": {"const": 0},
                           "error": {"type": "integer", "description": "The HTTP status code.", "minimum": 400, "maximum": 599},
                           "message": text("One sentence that names the field at fault.", minLength=1)}),
        "GatewayStatus": envelope({"status": {"type": "string", "enum": ["ok", "unavailable"]}}),
    }


def parameters():
    made = {"query_" + name: {"name": name, "in": "query", "description": description, "schema": schema, "example": example}
            for name, (description, schema, example) in FIELDS.items()}
    made["trans_id"] = {"name": "trans_id", "in": "path", "required": True, "description": "Id of the call.",
                        "schema": {"type": "string", "minLength": 1, "maxLength": 128}, "example": "call-000001"}
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
                           "x-query. Which error wins: 404, 405, 413, 415, 401, 400, 403, then what the service says. Answers over 1 KiB "
                           "are gzipped where the client accepts it. A request that is malformed gets its answer, then the connection is "
                           "closed.",
        },
        "servers": [{"url": "/", "description": "The gateway that serves this document."}],
        "tags": [{"name": "history", "description": "The documented contract."},
                 {"name": "operation", "description": "For those who run the gateway."}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Access token."},
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
