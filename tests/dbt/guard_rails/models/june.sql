select topic as earlier from {{ ref('months') }} where month = 'june'
