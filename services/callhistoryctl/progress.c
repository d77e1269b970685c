/* progress: built in one array and written at once, so that it doesn't flicker. */
#include "callhistoryctl/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_US INT64_C(100000)

enum { BAR_MIN = 5, BAR_MAX = 30, TEXT_SIZE = 320 };

void progress_init(struct progress *progress)
{
	const int64_t now_us = clock_monotonic_us();
	*progress = (struct progress){.on = isatty(STDERR_FILENO), .start_us = now_us, .next_us = now_us};
}

static size_t terminal_width(void)
{
	struct winsize size;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

bool progress_due(struct progress *progress, int64_t now_us)
{
	if (!progress->on || now_us < progress->next_us)
		return false;
	progress->next_us = now_us + INTERVAL_US;
	return true;
}

/* Writes a bar of as many columns as are left; nothing where that is too few. */
static void format_bar(double part, size_t columns, char out[BAR_MAX + 4])
{
	size_t width = columns < BAR_MAX ? columns : BAR_MAX;
	out[0] = '\0';
	if (width < BAR_MIN)
		return;
	out[0] = '[';
	memset(out + 1, '.', width);
	memset(out + 1, '#', (size_t)(part * (double)width));
	memcpy(out + 1 + width, "] ", 3);
}

void progress_show(struct progress *progress, double part, const char *text)
{
	char bar[BAR_MAX + 4] = "", line[TEXT_SIZE];
	size_t width = terminal_width();
	if (part >= 0) {
		/* What is around the bar: brackets, blanks and the per cent. */
		size_t taken = strlen(text) + strlen("[] 100%  ") + 1;
		format_bar(part, taken < width ? width - taken : 0, bar);
		snprintf(line, sizeof(line), "%s%3d%%  %s", bar, (int)(part * 100), text);
	} else {
		snprintf(line, sizeof(line), "%s", text);
	}
	if (width > 1 && strlen(line) >= width)
		line[width - 1] = '\0';
	fprintf(stderr, "\r%s\033[K", line);
	progress->shown = true;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;
	if (!total || !progress_due(progress, clock_monotonic_us()))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	progress_show(progress, done < total ? (double)done / (double)total : 1, text);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
