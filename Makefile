# The two commands that a newcomer needs are `make demo` and `make test`. `make help` lists the rest.

.DEFAULT_GOAL := help
SUITE_NEEDS = ALSO_INSTALL="crun=crun mcs=mono-mcs rabbitmqctl=rabbitmq-server curl=curl jq=jq node=nodejs npm=npm \
	docker-compose=docker-compose chromium=chromium chromedriver=chromium-driver \
	skopeo=skopeo docker-registry=docker-registry"
DOCS ?= $(or $(TMPDIR),/tmp)/cellblock-docs
.PHONY: help demo test lint unit pythons chaos mutate mutants coverage rounds debian13 gvisor images bench docs lock clean

help: ## Show this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

demo: ## Set up what is missing and watch real commands run in real cells
	@deploy/with-services.sh python examples/demo.py

test: ## Set up what is missing, check style, types and layers, and run every test, or TESTS='tests/cli -k doctor'
	@$(SUITE_NEEDS) deploy/with-services.sh tests/run.sh $(TESTS)

lint: ## Check style, generated pages, types and layers
	@NO_ENGINE=1 deploy/with-services.sh tests/lint.sh

unit: ## Run the tests that need neither an engine nor a broker, in 90 seconds
	@NO_ENGINE=1 deploy/with-services.sh python -m pytest -q -n 3 --dist loadfile -m 'not engine and not broker and not alone and not slow'

pythons: ## Run the same with each supported Python that is installed: Debian's, 3.12, 3.13
	@tests/pythons.sh

chaos: ## Cause faults in workers, engine and Redis while jobs run, with three seeds, and count what is lost
	@deploy/with-services.sh sh -c 'cellblock images build --quiet && python -m tests.chaos $(or $(CHAOS),--seed 1 --seed 2 --seed 3) && python -m tests.chaos.losses'

coverage: ## Run the suite with coverage, and name each error branch that no test runs
	@$(SUITE_NEEDS) deploy/with-services.sh sh -c 'cellblock images build --quiet && exec python -m tests.mutation.cover $(COVER)'

mutants: ## Put small faults into the product, and name those that no test notices (MUTANTS='--since HEAD~5')
	@test -d .mutants/coverage || $(MAKE) coverage
	@$(SUITE_NEEDS) deploy/with-services.sh python -m tests.mutation $(MUTANTS)

rounds: ## Run the tests that depend on a clock a hundred times, while other work keeps every core busy (ROUNDS='10 tests/cli')
	@$(SUITE_NEEDS) deploy/with-services.sh sh -c 'cellblock images build --quiet && exec python -m tests.rounds $(or $(ROUNDS),100)'

debian13: ## Test the sandbox on Debian 13 under qemu: systemd, cgroup v2, AppArmor, a newer engine
	@ALSO_INSTALL='qemu-system-x86_64=qemu-system-x86 debootstrap=debootstrap debugfs=e2fsprogs' \
		deploy/with-services.sh sh -c 'cellblock images build --quiet bash python cpp && exec python -m tests.debian13 $(TESTS)'

gvisor: ## Test the sandbox in gVisor, with a Docker Engine of its own and with no daemon
	@ALSO_INSTALL='runsc=runsc' deploy/with-services.sh \
		sh -c 'cellblock images build --quiet bash python cpp && exec python -m tests.gvisor $(TESTS)'

mutate: ## Take away each line of the cell's profile in turn, and show which test fails without it
	@deploy/with-services.sh python -m tests.hostile.mutate_profile

bench: ## Measure everything in ten to twenty minutes, and update the figures that the pages show
	@deploy/with-services.sh sh -c 'cellblock images build --quiet && exec python -m benchmarks $(BENCH)'

images: ## Build the images of the runtimes from Debian packages
	@deploy/with-services.sh cellblock images build

docs: ## Build the pages into DOCS, a folder outside of the repository
	@deploy/with-services.sh sh -c 'python docs/generate.py && python -m sphinx -nW -q docs "$(DOCS)"'
	@echo "open $(DOCS)/index.html"

lock: ## Pin the newest versions of all dependencies, with hashes
	@.venv/bin/uv pip compile pyproject.toml --group dev --extra api --extra mcp --extra otel --extra s3 --universal \
		--upgrade --generate-hashes --no-emit-index-url --no-header --quiet --output-file constraints.txt

clean: ## Remove the venv and the tools' caches
	rm -rf .venv* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
