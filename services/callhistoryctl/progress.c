/* progress: built in one array and written at once, so that it doesn't flicker. */
#include "callhistoryctl/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERVAL_US INT64_C(100000)

enum { BAR_MIN = 5, BAR_MAX = 30, TEXT_SIZE = 256 };

void progress_init(struct progress *progress, uint64_t total_bytes, int64_t now_us)
{
	*progress = (struct progress){
	    .on = isatty(STDERR_FILENO), .start_us = now_us, .next_us = now_us, .total_bytes = total_bytes};
}

static size_t terminal_width(void)
{
	struct winsize size;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

static const char *format_bytes(uint64_t bytes, char out[24])
{
	if (bytes < UINT64_C(10) << 20)
		snprintf(out, 24, "%.1f MiB", (double)bytes / (1 << 20));
	else
		snprintf(out, 24, "%llu MiB", (unsigned long long)(bytes >> 20));
	return out;
}

/* Writes the part after the bar. */
static void format_numbers(const struct progress *progress, double seconds, char out[TEXT_SIZE])
{
	char done[24], total[24] = "";
	double rate = seconds > 0 ? (double)progress->lines / seconds : 0;
	format_bytes(progress->bytes, done);
	if (!progress->total_bytes) {
		snprintf(out, TEXT_SIZE, "%s  %llu lines  %.0f/s", done, (unsigned long long)progress->lines, rate);
		return;
	}
	format_bytes(progress->total_bytes, total);
	/* A file may grow while it is read. */
	double left = progress->bytes < progress->total_bytes ? (double)(progress->total_bytes - progress->bytes) : 0;
	double eta = progress->bytes ? left * seconds / (double)progress->bytes : 0;
	int whole = eta < 359999 ? (int)(eta + 0.5) : 359999;
	snprintf(out, TEXT_SIZE, "%s/%s  %llu lines  %.0f/s  ETA %d:%02d", done, total, (unsigned long long)progress->lines,
	         rate, whole / 60, whole % 60);
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

void progress_update(struct progress *progress, int64_t now_us)
{
	if (!progress->on || now_us < progress->next_us)
		return;
	progress->next_us = now_us + INTERVAL_US;
	char numbers[TEXT_SIZE], bar[BAR_MAX + 4], text[TEXT_SIZE + BAR_MAX + 16];
	format_numbers(progress, (double)(now_us - progress->start_us) / 1e6, numbers);
	size_t width = terminal_width();
	if (progress->total_bytes) {
		/* What stands around the bar: brackets, blanks and the per cent. */
		size_t taken = strlen(numbers) + strlen("[] 100%  ") + 1;
		double part = (double)progress->bytes / (double)progress->total_bytes;
		part = part > 1 ? 1 : part;
		format_bar(part, taken < width ? width - taken : 0, bar);
		snprintf(text, sizeof(text), "%s%3d%%  %s", bar, (int)(part * 100), numbers);
	} else {
		snprintf(text, sizeof(text), "%s", numbers);
	}
	if (width > 1 && strlen(text) >= width)
		text[width - 1] = '\0';
	fprintf(stderr, "\r%s\033[K", text);
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
