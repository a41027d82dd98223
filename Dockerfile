# One image for all roles: web, worker, sender, beat, and the one-shot migrate.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --create-home --uid 10001 scrm
WORKDIR /app

COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY . .
RUN mkdir -p var/media var/witness && chown -R scrm var

USER scrm
EXPOSE 8000
CMD ["python", "-m", "scrm.web.server", "--host", "0.0.0.0"]
