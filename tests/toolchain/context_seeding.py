"""Put the JSON-LD context of RO-Crate 1.1 into the cache of roc-validator: CACHE CONTEXT. Run in `verifiers`.

CONTEXT is that of RO-Crate 1.3, which the library brings. Of the terms that our crates use, it differs in those of
workflows only, which 1.1 takes from elsewhere.
"""

import json
import sys
from pathlib import Path

import requests
from requests_cache import CachedSession
from urllib3 import HTTPResponse

URL = "https://w3id.org/ro/crate/1.1/context"
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


def main(cache, context):
    document = json.loads(Path(context).read_text())
    document["@context"].update(OF_1_1)
    text = json.dumps(document).encode()
    response = requests.Response()
    response.status_code, response.url, response._content = 200, URL, text
    response.headers["Content-Type"] = "application/ld+json"
    response.request = requests.Request("GET", URL).prepare()
    told = {"request_method": "GET", "request_url": URL, "preload_content": False}
    response.raw = HTTPResponse(text, response.headers, 200, **told)
    CachedSession(cache, expire_after=-1, allowable_methods=("GET",)).cache.save_response(response)


main(*sys.argv[1:])
