/*
 * mutate.c
 *		How an input of the fuzzer becomes another one: by words and lines.
 *
 * Of a thousand workflows with a few bytes changed, four are workflows still.
 * The rest tries the parser well, but not what lies behind it. So most inputs are
 * made by copying, moving and erasing whole words and lines; the others as
 * libFuzzer does it, by bytes and with the words of the dictionary.
 */
#include "postgres.h"

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

typedef struct Piece
{
	size_t		start,
				end;
} Piece;

static bool
in_word(uint8_t c)
{
	return c == '_' || c >= 0x80 || isalnum(c);
}

/* Some line, with its end, or some word; between two words, an empty one. */
static Piece
pick(const uint8_t *data, size_t size, bool line, unsigned int *seed)
{
	Piece		piece;

	piece.start = piece.end = rand_r(seed) % size;
	while (piece.start > 0 && (line ? data[piece.start - 1] != '\n' : in_word(data[piece.start - 1])))
		piece.start--;
	while (piece.end < size && (line ? data[piece.end] != '\n' : in_word(data[piece.end])))
		piece.end++;
	if (line && piece.end < size)
		piece.end++;
	return piece;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	uint8_t    *before;

	if (size == 0 || size > max_size || rand_r(&seed) % 4 == 0)
		return LLVMFuzzerMutate(data, size, max_size);

	before = memcpy(malloc(size), data, size);
	for (int n = 1 + rand_r(&seed) % 2; n > 0; n--)
	{
		bool		line = rand_r(&seed) % 2;
		Piece		from = pick(before, size, line, &seed);
		Piece		to = pick(before, size, line, &seed);
		size_t		len;

		switch (rand_r(&seed) % 3)
		{
			case 0:				/* erase */
				from.end = from.start;
				break;
			case 1:				/* insert */
				to.end = to.start;
				break;
		}
		len = from.end - from.start;
		if (size - (to.end - to.start) + len > max_size || size == to.end - to.start)
			break;
		memcpy(data + to.start, before + from.start, len);
		memcpy(data + to.start + len, before + to.end, size - to.end);
		size = size - (to.end - to.start) + len;
		before = memcpy(realloc(before, size), data, size);
	}
	free(before);
	return size;
}
