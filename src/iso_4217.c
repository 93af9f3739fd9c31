/*
 * iso_4217.c
 *		The currencies that there are.
 *
 * List one of ISO 4217 as published on 2026-01-01, with funds (CHE), metals (XAU)
 * and units of account (XDR), without the codes for tests and for no currency (XTS,
 * XXX). Besides ANG, BGN, CUC, HRK, SLL and ZWL, which were on it in 2020: orders of
 * these years may be imported. A constraint calls this, so what has been here once
 * stays: a dump with such rows is to be restored.
 */
#include "crm.h"

#include "iso_4217.h"

PG_FUNCTION_INFO_V1(crm_is_currency);

#define LENGTH	3

/* in order, for bsearch() */
static const char codes[][LENGTH + 1] = {
	"AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD",
	"BDT", "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP",
	"BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF", "CLP", "CNY", "COP", "COU",
	"CRC", "CUC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB",
	"EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD",
	"HNL", "HRK", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
	"JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP",
	"LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU",
	"MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
	"NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD",
	"RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SLL", "SOS",
	"SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY",
	"TTD", "TWD", "TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED",
	"VES", "VND", "VUV", "WST", "XAD", "XAF", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD",
	"XCD", "XCG", "XDR", "XOF", "XPD", "XPF", "XPT", "XSU", "XUA", "YER", "ZAR", "ZMW",
	"ZWG", "ZWL"
};

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, LENGTH);
}

bool
crm_is_currency_code(const text *code)
{
	return VARSIZE_ANY_EXHDR(code) == LENGTH &&
		bsearch(VARDATA_ANY(code), codes, lengthof(codes), sizeof(codes[0]), compare) != NULL;
}

/*
 * crm_is_currency(code text) returns boolean
 *
 * Whether that is a code of ISO 4217, in capitals: 'EUR'.
 */
Datum
crm_is_currency(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(crm_is_currency_code(PG_GETARG_TEXT_PP(0)));
}
