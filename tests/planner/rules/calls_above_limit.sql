-- a call among the columns
select i, ai_sentiment(s) from t order by i limit 10
-- after
SELECT * RENAME (_inlay_p1 AS "ai_sentiment(s)") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p1) FROM (select i, NULL AS _inlay_p1, s AS _inlay_x0 from t order by i limit 10) AS _inlay_top) AS _inlay_named

-- a star beside it
select *, upper(ai_sentiment(s)) as u from t order by i desc limit 10
-- after
SELECT * RENAME (_inlay_p1 AS "u") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (upper(ai_sentiment(_inlay_x0)) AS _inlay_p1) FROM (select *, NULL AS _inlay_p1, s AS _inlay_x0 from t order by i desc limit 10) AS _inlay_top) AS _inlay_named

-- with conditions, OFFSET and an alias
select i as "Number", ai_sentiment(w) as mood from t where k = 1 order by i limit 5 offset 2
-- after
SELECT * RENAME (_inlay_p1 AS "mood") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p1) FROM (select i as "Number", NULL AS _inlay_p1, w AS _inlay_x0 from t where k = 1 order by i limit 5 offset 2) AS _inlay_top) AS _inlay_named

-- in a subquery
select count(*) as n from (select i, ai_sentiment(s) as x from t order by i limit 10) q where x = 'positive'
-- after
select count(*) as n from (SELECT * RENAME (_inlay_p1 AS "x") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p1) FROM (select i, NULL AS _inlay_p1, s AS _inlay_x0 from t order by i limit 10) AS _inlay_top) AS _inlay_named) q where x = 'positive'

-- over groups
select k, ai_sentiment(max(w)) as x from t group by k order by k limit 2
-- after
SELECT * RENAME (_inlay_p1 AS "x") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p1) FROM (select k, NULL AS _inlay_p1, max(w) AS _inlay_x0 from t group by k order by k limit 2) AS _inlay_top) AS _inlay_named

-- of groups: the list of their texts is sorted and cut, not what is said of it
select k, count(*) as n, ai_agg(w, 'what?', max_tokens := 50) as said from t group by all order by n desc, k limit 2
-- after
SELECT * RENAME (_inlay_p2 AS "said") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (_inlay_ai_agg(_inlay_x0, 'what?', max_tokens := 50) AS _inlay_p2) FROM (select k, count(*) as n, NULL AS _inlay_p2, to_json(list((w) ORDER BY coalesce((w))) FILTER (WHERE (w) IS NOT NULL))::VARCHAR AS _inlay_x0 from t group by all order by n desc, k limit 2) AS _inlay_top) AS _inlay_named

-- an aggregate beside the call, and one with a FILTER inside
select k, ai_complete(max(s) filter (where i > 9)) || ' of ' || count(*) as x from t group by k order by k limit 2
-- after
SELECT * RENAME (_inlay_p1 AS "x") FROM (SELECT * EXCLUDE (_inlay_x0, _inlay_x1) REPLACE (ai_complete(_inlay_x0) || ' of ' || _inlay_x1 AS _inlay_p1) FROM (select k, NULL AS _inlay_p1, max(s) filter (where i > 9) AS _inlay_x0, count(*) AS _inlay_x1 from t group by k order by k limit 2) AS _inlay_top) AS _inlay_named

-- a group that is named after a call, and an aggregate that moves all the same
select ai_sentiment(w) as mood, ai_summarize_agg(w) as said from t group by mood order by mood limit 1
-- after
SELECT * RENAME (_inlay_p1 AS "said") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (_inlay_ai_summarize_agg(_inlay_x0) AS _inlay_p1) FROM (select ai_sentiment(w) as mood, NULL AS _inlay_p1, to_json(list((w) ORDER BY coalesce((w))) FILTER (WHERE (w) IS NOT NULL))::VARCHAR AS _inlay_x0 from t group by mood order by mood limit 1) AS _inlay_top) AS _inlay_named

-- grouped by all, a call is what it is grouped by
select w, ai_sentiment(w) as mood, count(*) as n from t group by all order by w limit 1
-- after
-- as it is

-- over a window
select i, ai_sentiment(lag(w) over (order by i)) as x from t order by i limit 3
-- after
SELECT * RENAME (_inlay_p1 AS "x") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p1) FROM (select i, NULL AS _inlay_p1, lag(w) over (order by i) AS _inlay_x0 from t order by i limit 3) AS _inlay_top) AS _inlay_named

-- labels of unicode, a comment inside
select i, ai_classify(s, ['größer', 'kleiner']) /* the ⅔ */ as c from t order by i limit 3
-- after
SELECT * RENAME (_inlay_p1 AS "c") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_classify(_inlay_x0, ['größer', 'kleiner']) AS _inlay_p1) FROM (select i, NULL AS _inlay_p1, s AS _inlay_x0 from t order by i limit 3) AS _inlay_top) AS _inlay_named

-- nothing to gain: no ORDER BY
select i, ai_sentiment(s) from t limit 10
-- after
-- as it is

-- sorted by the answer
select i, ai_sentiment(s) as x from t order by x, i limit 10
-- after
-- as it is

-- sorted by all columns
select i, ai_sentiment(s) as x from t order by all limit 10
-- after
-- as it is

-- DISTINCT needs the answers
select distinct ai_sentiment(s) as x from t order by 1 limit 10
-- after
-- as it is

-- from another row than the first on, in whatever order they come
select i, ai_sentiment(s) as x from t limit 3 offset 2
-- after
SELECT * RENAME (_inlay_p1 AS "x") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p1) FROM (select i, NULL AS _inlay_p1, s AS _inlay_x0 from t limit 3 offset 2) AS _inlay_top) AS _inlay_named

-- a share of the rows
select ai_sentiment(s) as x from t limit 1%
-- after
SELECT * RENAME (_inlay_p0 AS "x") FROM (SELECT * EXCLUDE (_inlay_x0) REPLACE (ai_sentiment(_inlay_x0) AS _inlay_p0) FROM (select NULL AS _inlay_p0, s AS _inlay_x0 from t limit 1%) AS _inlay_top) AS _inlay_named

-- the first rows, which DuckDB takes before it makes the columns
select i, ai_sentiment(s) as x from t limit 3
-- after
-- as it is
