/* ledger FILE: an SQLite database in WAL mode, to which a row is added again and again; each is acknowledged by `@row n` once it is durable.
 *
 * Says first what it found: `@ledger N`, rows 1 to N, each as it was written, their total as it is kept in another table, and the
 * database whole by its own account (PRAGMA integrity_check); or `@ledger bad ...`. */

#define _GNU_SOURCE
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_US 100000
/* A WAL that is written back every few seconds: points are frozen in the midst of that, too. */
#define SCHEMA                                                                                             \
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 100;"               \
    "CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, amount INTEGER NOT NULL, text TEXT);"   \
    "CREATE INDEX IF NOT EXISTS by_amount ON entry (amount, number);"                                      \
    "CREATE TABLE IF NOT EXISTS total (only INTEGER PRIMARY KEY CHECK (only = 1), sum INTEGER NOT NULL);"  \
    "INSERT OR IGNORE INTO total VALUES (1, 0);"
#define ADD "BEGIN IMMEDIATE; INSERT INTO entry VALUES (%u, %u * 7919 %% 1009, printf('%%0300d', %u));" \
            "UPDATE total SET sum = sum + %u * 7919 %% 1009; COMMIT;"
#define WRONG "number * 7919 % 1009 <> amount OR text <> printf('%0300d', number)"

static sqlite3 *ledger;

static void bad(const char *format, ...) {
    va_list words;
    va_start(words, format);
    printf("@ledger bad ");
    vprintf(format, words);
    printf("\n");
    fflush(stdout);
    exit(1);
}

/* The first column of the first row. */
static char *answer(const char *question) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(ledger, question, -1, &statement, NULL) != SQLITE_OK) bad("%s: %s", question, sqlite3_errmsg(ledger));
    if (sqlite3_step(statement) != SQLITE_ROW) bad("%s: %s", question, sqlite3_errmsg(ledger));
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    char *kept = strdup(text ? text : "nothing");
    sqlite3_finalize(statement);
    return kept;
}

static unsigned number(const char *question) {
    char *text = answer(question);
    unsigned found = (unsigned)strtoul(text, NULL, 10);
    free(text);
    return found;
}

int main(int words, char **word) {
    char *failure;
    if (words != 2 || sqlite3_open(word[1], &ledger) != SQLITE_OK) bad("cannot be opened");
    if (sqlite3_exec(ledger, SCHEMA, NULL, NULL, &failure) != SQLITE_OK) bad("%s", failure);
    char *whole = answer("PRAGMA integrity_check");
    if (strcmp(whole, "ok")) bad("integrity_check: %s", whole);
    unsigned rows = number("SELECT count(*) FROM entry"), last = number("SELECT coalesce(max(number), 0) FROM entry");
    if (rows != last) bad("%u rows up to number %u", rows, last);
    unsigned wrong = number("SELECT count(*) FROM entry WHERE " WRONG);
    if (wrong) bad("%u rows are not as they were written", wrong);
    unsigned sum = number("SELECT coalesce(sum(amount), 0) FROM entry"), total = number("SELECT sum FROM total");
    if (sum != total) bad("the total of %u is kept as %u", sum, total);
    printf("@ledger %u\n", last);
    fflush(stdout);
    for (unsigned next = last + 1;; next++) {
        char *row = sqlite3_mprintf(ADD, next, next, next, next);
        if (sqlite3_exec(ledger, row, NULL, NULL, &failure) != SQLITE_OK) bad("row %u: %s", next, failure);
        sqlite3_free(row);
        printf("@row %u\n", next);
        fflush(stdout);
        usleep(PAUSE_US);
    }
}
