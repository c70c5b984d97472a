"""Rows to model answers: tokenising, batching, devices, failures. Knows nothing of SQL.

To ask a model without SQL, as the tests of this room and `bench/` do, these names are enough:

    ref = describe(read_settings({}).models["minilm"])              # models/describe.py: a ModelRef
    work = Work(Models(), ResultCache(100_000_000))                 # resolve.py, executors/models.py, result_cache.py
    found = resolve(numbers_question(ref), text_inputs(texts), work)     # question.py, resolve.py, store/inputs.py
    found.rows, found.errors, found.known, found.usage

`replies_question(ref, instruction)` asks a language model to write; its inputs are three columns: what stands before
each text, the texts, and what comes after them. A new Work with a new ResultCache knows nothing; a model stays loaded
for as long as the process lives, unless `most_loaded_bytes` of a Work has it unloaded. What loads models is
`load_backend` in loaded.py; `max_batch_tokens` and `workers` of what it returns (backends/base.py) are read once, when
the model's lane is made.
"""
