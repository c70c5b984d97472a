/*
summary = "How relevant a document is to a query, 0 to 1, read together by a cross-encoder."
args = [
    ["query", "VARCHAR", "what is searched"],
    ["document", "VARCHAR", "a candidate"],
]
options = ["model", "on_error", "on_blank"]
returns = "DOUBLE"
answer = "rerank.bind"
example = "SELECT ai_rerank('reset password', 'How to change your password', model := 'my-reranker')"
*/
