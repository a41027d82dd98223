# Needs make and a Python of 3.11 or newer; everything else goes into .venv.
SHELL := /bin/sh
PY := .venv/bin/python
FIND_PYTHON := for p in python3.11 python3.12 python3 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done
EMBEDDED := $(PY) -m scrm.launcher.embedded --fresh --data
COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header pyproject.toml --extra embedded

TOOLS := var/tools
npm = mkdir -p $(TOOLS) && cp tests/browser/tools/*.json $(TOOLS) && \
	npm ci --prefix $(TOOLS) --ignore-scripts --no-audit --no-fund --silent

# What stands at the other end in the real tests; none of it is started by the system.
REAL_PACKAGES := dovecot-imapd dovecot-lmtpd postfix \
	wordpress wordpress-theme-twentytwentythree mariadb-server php-cli php-mysql \
	php-curl php-xml php-mbstring php-intl php-gd

.PHONY: run test test-guards test-real real bluesky-network test-browser browser lighthouse check bench bench-smoke screenshots lock clean lint fast

run: .venv/run.stamp  ## everything on one address; PORT=8001, HOST=…, SAMPLE=0 change it
	@exec $(PY) -m scrm.launcher.run

test: .venv/test.stamp  ## all tests but the browser's; ARGS="-k inbox" chooses
	@$(EMBEDDED) var/test -- sh -c '$(PY) -m pytest -n 2 -m "not alone and not browser and not real and not guards" $(ARGS); code=$$?; \
		$(PY) -m pytest -m "alone and not browser and not real" $(ARGS); alone=$$?; \
		[ $$code = 0 ] || [ $$code = 5 ] || exit $$code; [ $$alone = 0 ] || [ $$alone = 5 ]'

test-guards: .venv/test.stamp  ## whether the machine of G1 sees each guard that is missing
	@$(EMBEDDED) var/test -- $(PY) -m pytest -n 2 -m guards tests/responses $(ARGS)

test-real: .venv/test.stamp real  ## against real software of others, from Debian's packages and npm
	@$(EMBEDDED) var/real -- $(PY) -m pytest -m real tests/real $(ARGS)

# Their own services are not started: the tests start them, in places of their own.
real: bluesky-network
	@lacking=; for each in $(REAL_PACKAGES); do \
		dpkg -s $$each >/dev/null 2>&1 || lacking="$$lacking $$each"; done; \
		[ -z "$$lacking" ] || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$lacking"; export DEBIAN_FRONTEND=noninteractive; \
		[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; \
			chmod +x /usr/sbin/policy-rc.d; made=1; }; \
		apt-get update -q >/dev/null && \
		apt-get install -q -y --no-install-recommends $$lacking >/dev/null; code=$$?; \
		[ -z "$$made" ] || rm -f /usr/sbin/policy-rc.d; exit $$code; \
		else echo "Not installed:$$lacking. Their tests will be skipped." >&2; fi

# Pinned, with checksums, in tests/real/tools; a second call does nothing.
bluesky-network: .venv/bin/python
	@$(PY) -m tests.real.bluesky || \
		echo "The Bluesky network could not be installed by npm: its tests will be skipped." >&2

test-browser: .venv/test.stamp browser  ## what a person does, in Chromium
	@$(EMBEDDED) var/test -- sh -c '$(PY) -m pytest -n 2 -m "browser and not alone" tests/browser $(ARGS); code=$$?; \
		$(PY) -m pytest -m "browser and alone" tests/browser $(ARGS); alone=$$?; \
		[ $$code = 0 ] || [ $$code = 5 ] || exit $$code; [ $$alone = 0 ] || [ $$alone = 5 ]'

lighthouse: .venv/test.stamp browser $(TOOLS)/lighthouse.stamp  ## accessibility 100, performance 95 or more
	@SCRM_SANDBOX_SECONDS=0 ALLOWED_HOSTS=localhost,127.0.0.1 $(EMBEDDED) var/lighthouse -- \
		$(PY) tests/browser/lighthouse.py

browser: $(TOOLS)/axe.stamp  ## Chromium and axe for the browser tests, where they can be brought
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium"; apt-get update -q >/dev/null && \
		apt-get install -q -y --no-install-recommends chromium >/dev/null; \
		else echo "No Chromium was found: the browser tests will be skipped." >&2; fi

# Pinned, with checksums, in the lock; installing runs no script of theirs.
$(TOOLS)/axe.stamp: tests/browser/tools/package-lock.json
	@$(npm) --omit=dev >/dev/null && touch $@ || \
		echo "axe could not be brought by npm: its tests will be skipped." >&2

# With --include=dev also where NODE_ENV says production.
$(TOOLS)/lighthouse.stamp: tests/browser/tools/package-lock.json
	@$(npm) --include=dev >/dev/null && touch $@ $(TOOLS)/axe.stamp || \
		{ echo "Lighthouse could not be brought by npm: it needs node, npm and a registry." >&2; exit 1; }

check: .venv/test.stamp  ## in about a minute: style, types, import rules, fast tests
	@$(EMBEDDED) var/check -- $(MAKE) --no-print-directory lint fast

lint:
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/lint-imports
	@find templates -name '*.html' | xargs .venv/bin/djade --check --target-version 5.2
	@.venv/bin/mypy scrm crm listening routing responses

fast:
	@$(PY) -m pytest -n 2 -q --hypothesis-profile=fast -m "not slow and not live and not alone and not real and not guards" $(ARGS)

bench: .venv/test.stamp  ## the figures of docs/performance.md, in some ten minutes
	@$(EMBEDDED) var/bench -- sh -ec 'for script in bench/*.py; do $(PY) $$script $(ARGS); done'

bench-smoke: .venv/test.stamp  ## a small version that fails where something is not flat
	@$(MAKE) --no-print-directory bench ARGS=--smoke

screenshots: .venv/test.stamp browser  ## every page of the sample into docs/img
	@SCRM_SANDBOX_SECONDS=0 $(EMBEDDED) var/screenshots -- $(PY) docs/screenshots.py

lock: .venv/test.stamp  ## after a change of dependencies in pyproject.toml
	@$(COMPILE) -o requirements.lock
	@$(COMPILE) --group dev -o requirements-dev.lock

clean:
	@rm -rf .venv .mypy_cache .ruff_cache var/pytest .hypothesis .import_linter_cache
	@rm -rf var/test var/check var/bench var/real
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@echo "Cleaned. The data in var/ was kept."

.venv/run.stamp: requirements.lock .venv/bin/python
.venv/test.stamp: requirements-dev.lock .venv/bin/python
.venv/%.stamp:
	@echo "Installing from $<"
	@uv=$$(command -v uv || echo .venv/bin/uv); \
		$$uv pip install -q --compile-bytecode --python $(PY) --require-hashes -r $<
	@touch $@

.venv/bin/python:
	@python=$$($(FIND_PYTHON)); if [ -z "$$python" ]; then \
		echo "scrm needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; fi; \
	rm -rf .venv; echo "Making .venv with $$($$python --version)"; \
	if command -v uv >/dev/null; then uv venv -q --python "$$python" .venv; \
	else "$$python" -m venv .venv && $(PY) -m pip install -q --disable-pip-version-check \
		--no-input --root-user-action=ignore uv; fi
