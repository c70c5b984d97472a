-- a comparison before a call
select i from t where ai_filter(s, 'about shipping', threshold := 0.0) and i < 10
-- after
select i from t where i < 10 and ai_filter(s, 'about shipping', threshold := 0.0)

-- in OR as well
select i from t where ai_sentiment(s) = 'positive' or i < 10
-- after
select i from t where i < 10 or ai_sentiment(s) = 'positive'

-- AND inside OR, each in its own brackets
select i from t where (ai_sentiment(s) = 'positive' and k = 1) or (ai_sentiment(w) = 'negative' and i < 10)
-- after
select i from t where (k = 1 and ai_sentiment(s) = 'positive') or (i < 10 and ai_sentiment(w) = 'negative')

-- cheap ones keep their order, calls theirs
select i from t where ai_sentiment(s) = 'positive' and k = 1 and ai_sentiment(w) = 'negative' and i < 10
-- after
select i from t where k = 1 and i < 10 and ai_sentiment(s) = 'positive' and ai_sentiment(w) = 'negative'

-- in a CASE
select case when ai_sentiment(s) = 'positive' and k = 1 then 1 else 0 end as c from t where i < 50
-- after
select case when k = 1 and ai_sentiment(s) = 'positive' then 1 else 0 end as c from t where i < 50

-- in ON
select t.i from t join small on ai_sentiment(s) = 'positive' and t.i = small.i
-- after
select t.i from t join small on t.i = small.i and ai_sentiment(s) = 'positive'

-- in a subquery and in QUALIFY
select i from (select * from t where ai_sentiment(s) = 'positive' and i < 90) q qualify ai_sentiment(w) = 'positive' and row_number() over (partition by k order by i) = 1
-- after
select i from (select * from t where i < 90 and ai_sentiment(s) = 'positive') q qualify row_number() over (partition by k order by i) = 1 and ai_sentiment(w) = 'positive'

-- unicode, a comment and a quoted name stay what they are
select i from t /* ü ≠ and or */ where ai_classify(s, ['größer', 'and']) = 'and' and "k" = 1 -- last
-- after
select i from t /* ü ≠ and or */ where "k" = 1 and ai_classify(s, ['größer', 'and']) = 'and' -- last

-- a cast may raise: it stays behind the call
select i from t where ai_sentiment(s) = 'positive' and w::int > 3
-- after
-- as it is

-- nothing to gain: the order is right
select i from t where i < 10 and ai_sentiment(s) = 'positive'
-- after
-- as it is

-- AND binds closer than OR: each side is ordered for itself
select i from t where ai_sentiment(s) = 'positive' and ai_sentiment(w) = 'positive' and n is null or i < 5 and ai_sentiment(n) = 'positive'
-- after
select i from t where n is null and ai_sentiment(s) = 'positive' and ai_sentiment(w) = 'positive' or i < 5 and ai_sentiment(n) = 'positive'

-- BETWEEN has an AND of its own
select i from t where ai_sentiment(s) = 'positive' and i between 3 and 5
-- after
select i from t where i between 3 and 5 and ai_sentiment(s) = 'positive'

-- in brackets inside of what is moved
select i from t where (ai_sentiment(s) = 'positive' or k = 1) and i < 10
-- after
select i from t where i < 10 and (k = 1 or ai_sentiment(s) = 'positive')

-- brackets that change nothing
select i from t where ai_sentiment(s) = 'positive' or (ai_sentiment(w) = 'negative' or (k = 1 or i < 10))
-- after
select i from t where k = 1 or i < 10 or ai_sentiment(s) = 'positive' or ai_sentiment(w) = 'negative'

-- brackets around OR among what AND joins stay
select i from t where ai_sentiment(s) = 'positive' and (ai_sentiment(w) = 'negative' or k = 1) and i < 10
-- after
select i from t where i < 10 and ai_sentiment(s) = 'positive' and (k = 1 or ai_sentiment(w) = 'negative')

-- CASE is one condition among others, with conditions of its own inside
select s from t where case when k = 1 and i = 2 then ai_sentiment(s) = 'x' else true end and k < 3
-- after
select s from t where k < 3 and case when k = 1 and i = 2 then ai_sentiment(s) = 'x' else true end

-- and so is what its branches say
select case when ai_sentiment(s) = 'x' and k = 1 then 'x' when k = 2 or ai_sentiment(w) = 'x' then 'y' end as c from t
-- after
select case when k = 1 and ai_sentiment(s) = 'x' then 'x' when k = 2 or ai_sentiment(w) = 'x' then 'y' end as c from t
