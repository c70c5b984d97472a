select
    id,
    {{ inlay.ai_extract('body', {'what': 'What is it about?', 'how': 'How is it?'}) }}.how as how
from {{ ref('texts') }}
