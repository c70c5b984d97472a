-- Right answers of 150 rows; 5, 38, 71, 104 and 137 are not what `answers` guesses. Nobody judged row 150.
select i as id, case when i % 33 = 5 then 'other' when i < 150 then if(i % 2 = 0, 'even', 'odd') end as guess
from range(151) as numbers(i)
