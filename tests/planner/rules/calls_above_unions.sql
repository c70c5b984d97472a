-- below LIMIT
select i, ai_sentiment(s) as x from t where i < 9 union all select i, ai_sentiment(w) from t where i > 2990 limit 12
-- after
SELECT "i", ai_sentiment(_inlay_x1_0) AS "x" FROM (select i, NULL AS "x", trim((s), '') COLLATE "C" AS _inlay_x1_0 from t where i < 9 union all select i, NULL AS "ai_sentiment(w)", trim((w), '') COLLATE "C" AS _inlay_x1_0 from t where i > 2990 limit 12) AS _inlay_union

-- sorted and cut, with a star and an OFFSET
select *, ai_sentiment(s) as x from t where k = 1 union all select *, ai_sentiment(w) from t where k = 2 order by i, s limit 5 offset 2
-- after
SELECT * EXCLUDE (_inlay_x1_0) REPLACE (ai_sentiment(_inlay_x1_0) AS "x") FROM (select *, NULL AS "x", trim((s), '') COLLATE "C" AS _inlay_x1_0 from t where k = 1 union all select *, NULL AS "ai_sentiment(w)", trim((w), '') COLLATE "C" AS _inlay_x1_0 from t where k = 2 order by i, s limit 5 offset 2) AS _inlay_union

-- a CTE that is joined, one side of which makes no call
with q as (select i, ai_sentiment(s) as x from t union all select 37, 'none') select q.x from q join small on q.i = small.i
-- after
with q as (SELECT "i", CASE WHEN _inlay_s1 THEN ai_sentiment(_inlay_x1_0) ELSE "x" END AS "x" FROM (select i, NULL AS "x", trim((s), '') COLLATE "C" AS _inlay_x1_0, TRUE AS _inlay_s1 from t union all select 37, 'none', NULL::VARCHAR AS _inlay_x1_0, FALSE AS _inlay_s1) AS _inlay_union) select q.x from q join small on q.i = small.i

-- a text that differs from side to side
select i, ai_similarity(s, 'text 1') as x from t where i < 5 union all select i, ai_similarity(s, w) from t limit 9
-- after
SELECT "i", ai_similarity(_inlay_x1_0, _inlay_x1_1) AS "x" FROM (select i, NULL AS "x", trim((s), '') COLLATE "C" AS _inlay_x1_0, trim(('text 1'), '') COLLATE "C" AS _inlay_x1_1 from t where i < 5 union all select i, NULL AS "ai_similarity(s, w)", trim((s), '') COLLATE "C" AS _inlay_x1_0, trim((w), '') COLLATE "C" AS _inlay_x1_1 from t limit 9) AS _inlay_union

-- another call on the other side
select i, ai_sentiment(s) as x from t union all select i, upper(ai_sentiment(w)) from t limit 5
-- after
-- as it is

-- other labels on the other side
select i, ai_classify(s, ['a', 'b']) as x from t union all select i, ai_classify(s, ['a', 'c']) from t limit 5
-- after
-- as it is

-- sorted by the answers
select i, ai_sentiment(s) as x from t union all select i, ai_sentiment(w) from t order by x, i limit 5
-- after
-- as it is

-- UNION compares the answers
select k, ai_sentiment(w) as x from t union select k, ai_sentiment(w) from t limit 5
-- after
-- as it is

-- nothing to gain: every row is needed
select i, ai_sentiment(s) as x from t where i < 9 union all select i, ai_sentiment(w) from t where i < 9
-- after
-- as it is

-- a side that sorts and cuts by itself
(select i, ai_sentiment(s) as x from t limit 3) union all select i, ai_sentiment(w) from t limit 5
-- after
-- as it is
