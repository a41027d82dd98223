from django.urls import path

from listening.views import (
    csv_import,
    discovery,
    events,
    mention,
    source,
    topic,
    topic_import,
    topic_search,
    webhook,
)

app_name = "listening"
urlpatterns = [
    path("topics/", topic.topics, name="topics"),
    path("topics/new/", topic.new, name="topic_new"),
    path("topics/import/", topic_import.import_topics, name="topic_import"),
    path("topics/<int:pk>/", topic.topic, name="topic"),
    path("topics/<int:pk>/edit/", topic.edit, name="topic_edit"),
    path("topics/<int:pk>/searches/", topic_search.topic_searches, name="topic_searches"),
    path("topics/<int:pk>/pause/", topic.pause, name="topic_pause"),
    path("mentions/", mention.mentions, name="mentions"),
    path("sources/", source.sources, name="sources"),
    path("sources/new/", discovery.new, name="source_new"),
    path("sources/new/csv/", csv_import.upload, name="csv_upload"),
    path("sources/new/csv/<uuid:uuid>/", csv_import.columns, name="csv_import"),
    path("sources/new/csv/<uuid:uuid>/bad/", csv_import.bad_rows, name="csv_bad"),
    path("sources/<int:pk>/", source.source, name="source"),
    path("sources/<int:pk>/edit/", source.edit, name="source_edit"),
    path("sources/<int:pk>/pause/", source.pause, name="source_pause"),
    path("sources/<int:pk>/fetch/", source.fetch, name="source_fetch"),
    path("sources/<int:pk>/bring-in/", source.bring_in, name="source_bring_in"),
    path("sources/new/webhook/", webhook.new, name="webhook_new"),
    path("sources/<int:pk>/secrets/new/", webhook.add_secret, name="webhook_add_secret"),
    path("sources/<int:pk>/secrets/remove/", webhook.remove_secret, name="webhook_remove_secret"),
    path("sources/<int:pk>/test/", webhook.send_test, name="webhook_test"),
    path("webhooks/schema.json", webhook.schema, name="webhook_schema"),
    path("webhooks/<uuid:address>/", webhook.receive, name="webhook_receive"),
    path("webhooks/events/<uuid:account>/", events.receive, name="events"),
    path("quarantined/<int:pk>/replay/", source.replay, name="replay"),
]
