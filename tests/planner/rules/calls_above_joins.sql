-- a subquery that is joined
select q.i, x from (select *, ai_sentiment(s) as x from t) q join small using (i)
-- after
select q.i, (ai_sentiment(q._inlay_x0)) AS "x" from (select *, s AS _inlay_x0 from t) q join small using (i)

-- a CTE that is joined
with q as (select i, ai_sentiment(s) as x from t) select q.x, small.z from q join small on q.i = small.i
-- after
with q as (select i, s AS _inlay_x0 from t) select (ai_sentiment(q._inlay_x0)) AS "x", small.z from q join small on q.i = small.i

-- a subquery below LIMIT
select q.i, q.x from (select i, ai_sentiment(s) as x from t) q order by q.i limit 5
-- after
select q.i, (ai_sentiment(q._inlay_x0)) AS "x" from (select i, s AS _inlay_x0 from t) q order by q.i limit 5

-- two calls, one of them in an expression
select q.x, q.y from (select i, ai_sentiment(s) as x, upper(ai_sentiment(w)) as y from t) q join small on q.i = small.i
-- after
select (ai_sentiment(q._inlay_x0)) AS "x", (upper(ai_sentiment(q._inlay_x1))) AS "y" from (select i, s AS _inlay_x0, w AS _inlay_x1 from t) q join small on q.i = small.i

-- the column in an expression outside
select upper(q.x) as u, count(*) as n from (select i, ai_sentiment(s) as x from t) q join small on q.i = small.i group by q.x
-- after
select upper((ai_sentiment(q._inlay_x0))) as u, count(*) as n from (select i, s AS _inlay_x0 from t) q join small on q.i = small.i group by (ai_sentiment(q._inlay_x0))

-- quoted names
select "my q"."X" from (select i, ai_sentiment(s) as "X" from t) "my q" join small on "my q".i = small.i
-- after
select (ai_sentiment("my q"._inlay_x0)) AS "X" from (select i, s AS _inlay_x0 from t) "my q" join small on "my q".i = small.i

-- nothing to gain: no join
select q.x from (select i, ai_sentiment(s) as x from t) q
-- after
-- as it is

-- DISTINCT inside needs the answers
select q.x from (select distinct k, ai_sentiment(w) as x from t) q join small on q.k = small.i
-- after
-- as it is

-- what groups say, for those that are joined
select q.k, q.said from (select k, ai_agg(w, 'what?') as said from t group by k) q join small on q.k = small.i
-- after
select q.k, (_inlay_ai_agg(q._inlay_x0, 'what?')) AS "said" from (select k, to_json(list((w) ORDER BY coalesce((w))) FILTER (WHERE (w) IS NOT NULL))::VARCHAR AS _inlay_x0 from t group by k) q join small on q.k = small.i

-- GROUP BY inside needs the answers
select q.x from (select ai_sentiment(w) as x, max(i) as i from t group by x) q join small on q.i = small.i
-- after
-- as it is

-- a star outside names columns that cannot be told
select q.* from (select i, ai_sentiment(s) as x from t) q join small on q.i = small.i
-- after
-- as it is

-- a CTE that is read twice
with q as (select i, ai_sentiment(s) as x from t) select a.x, b.x as y from q a join q b on a.i = b.i join small on a.i = small.i
-- after
-- as it is


-- the reader has names of its own for the columns
select q.x from (select i, ai_sentiment(s) as x from t) q(i, x) join small on q.i = small.i
-- after
-- as it is

-- a row of the subquery is read as one value
select q::varchar as whole from (select i, ai_sentiment(s) as x from t) q join small on q.i = small.i
-- after
-- as it is

-- an outer join gives NULL for a row that is not there, and no answer to it
select small.i, q.x from small left join (select i, coalesce(ai_sentiment(n), 'none') as x from t) q on q.i = small.i
-- after
select small.i, (CASE WHEN q._inlay_x1 THEN coalesce(ai_sentiment(q._inlay_x0), 'none') END) AS "x" from small left join (select i, n AS _inlay_x0, TRUE AS _inlay_x1 from t) q on q.i = small.i
