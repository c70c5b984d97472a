/*
summary = "How close two texts are in meaning: the cosine of their vectors, -1 to 1."
args = [
    ["a", "VARCHAR", "a text"],
    ["b", "VARCHAR", "another text"],
]
options = ["model", "on_error", "on_blank"]
returns = "DOUBLE"
answer = "similarity.bind"
example = "SELECT ai_similarity('my parcel is late', 'where is my order?')"
*/
