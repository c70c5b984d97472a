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
-- as it is

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

-- DISTINCT needs the answers
select distinct ai_sentiment(s) as x from t order by 1 limit 10
-- after
-- as it is

