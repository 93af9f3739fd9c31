# crm: sales management inside PostgreSQL
#
#   make, make install          build and install (PG_CONFIG=... names the server to build for)
#   make installcheck           regression and isolation tests on a running server (PGHOST, PGPORT, ...)
#
# These install what is missing (Debian, Ubuntu), build, install, and use a throwaway server:
#
#   make demo [DATA=file.csv]   a small shop, or your own file, and what the database says about it
#   make psql [DATA=file.csv]   the same, then psql
#   make dashboard [DATA=...]     the same as a page to look at, dashboard.html
#   make test                   every test; SUITES="regress isolation pgtap tap demo" and TESTS="file..." choose
#   make bench                  benchmarks
#   make fuzz [SECONDS=600]     fuzzes the type crm_workflow (needs clang)

EXTENSION  = crm
MODULE_big = crm
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" crm.control)

# The code: a change of any header rebuilds all of it.
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
HDRS       = $(wildcard src/*.h)
PG_CFLAGS  = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
             $(if $(WERROR),-Werror)

# The install script, in this order; the tables go into the body of crm_create_tables(), and so does what reads the kept sums.
SQL_CODE   = $(addprefix sql/,header.sql types.sql workflow_functions.sql analysis_functions.sql functions.sql \
             selling_functions.sql customer_functions.sql opportunity_functions.sql rollup_functions.sql \
             attach.sql)
SQL_TABLES = $(addprefix sql/schema/,settings.sql workflows.sql workflow_versions.sql customers.sql \
             products.sql exchange_rates.sql orders.sql guards.sql order_lines.sql order_events.sql payments.sql \
             opportunities.sql activities.sql rollups.sql triggers.sql opportunity_triggers.sql order_lists.sql follow_up.sql \
             settlement.sql pipeline.sql star.sql summaries.sql)
SQL_LATER  = sql/schema/calendar.sql
SQL_SCRIPT = crm--$(EXTVERSION).sql
DATA_built = $(SQL_SCRIPT)
# In PGXS, DATA stands for the files to install as they are: upgrade scripts. For "make demo" it is a file
# to read; both keep their usual name.
ifeq ($(origin DATA),command line)
export DEMO_DATA := $(DATA)
endif
override DATA = $(wildcard sql/crm--*--*.sql)

# The tests that run on any server. Expected output of test/sql lies in expected/.
REGRESS        = $(sort $(notdir $(basename $(wildcard test/sql/*.sql))))
REGRESS_OPTS   = --inputdir=test
ISOLATION      = $(sort $(notdir $(basename $(wildcard test/isolation/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test/isolation

EXTRA_CLEAN = .build-flags dashboard.html results output_iso regression.diffs regression.out

all:

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install uninstall installcheck clean:
	@echo 'crm: $(PG_CONFIG) with the headers of a PostgreSQL server (14 or later) is not there.' >&2; \
	echo '"make deps" installs them on Debian and Ubuntu; PG_CONFIG=/path/to/pg_config names another server.' >&2; \
	exit 1
endif

$(SQL_SCRIPT): Makefile crm.control $(SQL_CODE) $(SQL_TABLES) $(SQL_LATER) sql/create_tables.sql.in sql/handover.sql
	cat $(SQL_CODE) > $@
	cat $(SQL_TABLES) | sed -e '/^@TABLES@$$/{' -e 'r /dev/stdin' -e 'd' -e '}' \
		-e '/^@CALENDAR@$$/{' -e 'r $(SQL_LATER)' -e 'd' -e '}' sql/create_tables.sql.in >> $@
	cat sql/handover.sql >> $@

$(OBJS) $(OBJS:.o=.bc): $(HDRS) .build-flags

# Changes when another server or other flags are chosen, so that objects of two kinds never meet.
.build-flags: FORCE
	@echo '$(VERSION) $(CC) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || \
	echo '$(VERSION) $(CC) $(CPPFLAGS) $(CFLAGS)' > $@

# From here on: for people at their own machine, and for CI. None of this needs clang.
export PG_CONFIG TESTS
export CALLED_FROM := $(PWD)

demo psql dashboard:
	@scripts/demo check
	@scripts/install-deps $@ </dev/null
	@$(MAKE) -s --no-print-directory ready with_llvm=no </dev/null
	@scripts/with-server scripts/demo $@

bench:
	@scripts/install-deps </dev/null
	@$(MAKE) -s --no-print-directory ready with_llvm=no </dev/null
	@scripts/with-server -c shared_buffers=1GB -c max_wal_size=8GB $(BENCH_SERVER) bench/run

test:
	@scripts/install-deps test </dev/null
	@$(MAKE) --no-print-directory ready with_llvm=no WERROR=1 </dev/null
	+@scripts/run-tests $(SUITES)

fuzz:
	@scripts/install-deps test </dev/null
	@test/fuzz/run $(or $(SECONDS),600)

deps:
	@scripts/install-deps test </dev/null

# Built and installed; as root only where the server's directories ask for it.
ready:
	@echo 'Building crm $(EXTVERSION) for PostgreSQL $(VERSION)'
	@$(MAKE) -s --no-print-directory all
	@if [ -w '$(pkglibdir)' ] && [ -w '$(datadir)/extension' ]; then \
		$(MAKE) -s --no-print-directory install; \
	elif command -v sudo >/dev/null; then \
		echo 'Installing into $(pkglibdir) with sudo'; \
		sudo $(MAKE) -s --no-print-directory install $(MAKEOVERRIDES) PG_CONFIG="$$(command -v $(PG_CONFIG))"; \
	else \
		echo 'crm: $(pkglibdir) is not writable; run as root: make install' >&2; exit 1; \
	fi

.DELETE_ON_ERROR:
.PHONY: FORCE all install uninstall installcheck clean demo psql dashboard bench test fuzz deps ready
