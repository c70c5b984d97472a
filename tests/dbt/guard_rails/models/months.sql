-- Half of the labels are 'a' in June, four fifths in July.
select 'june' as month, if(i % 2 = 0, 'a', 'b') as topic from range(2000) as numbers(i)
union all
select 'july' as month, if(i % 5 = 0, 'b', 'a') as topic from range(2000) as numbers(i)
