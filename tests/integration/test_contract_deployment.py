"""What a deployment chooses, seen through the whole chain: its time zone and its national prefix (section 1)."""

import unittest

import harness


class Deployment(harness.StackTest):
    gateway_options = ("--time-zone", "Europe/London")
    service_options = ("--country-code", "44")

    def test_dates_are_in_the_deployments_time_zone(self):
        """"`date_create` is `MM/DD/YYYY HH:MM:SS`, 24-hour, in the deployment's time zone" """
        # Imported as Ho Chi Minh City's time, seven hours before UTC; London has summer time in between.
        dates = ("01/15/2026 06:59:59", "03/29/2026 07:59:59", "03/29/2026 08:00:00", "10/25/2026 07:59:59", "10/25/2026 08:00:00")
        self.stack.import_lines(
            harness.call("02071230001", second, date_create=date, caller=[{"phone": "02071230001", "date_create": date}])
            for second, date in enumerate(dates)
        )
        calls = self.stack.list("02071230001")
        self.assertEqual([call["date_create"] for call in calls],
                         ["10/25/2026 01:00:00", "10/25/2026 01:59:59", "03/29/2026 02:00:00", "03/29/2026 00:59:59", "01/14/2026 23:59:59"])
        self.assertEqual([call["caller"][0]["date_create"] for call in calls], [call["date_create"] for call in calls])

    def test_the_national_prefix_is_configurable(self):
        """"... are one number (national prefix configurable). What is shown is what was recorded." """
        self.stack.import_lines([harness.call("+44 20 7123 0002")])
        for spelling in ("02071230002", "+442071230002", "00442071230002", "442071230002", "(020) 7123-0002"):
            self.assertEqual(self.stack.count(spelling), 1, spelling)
        self.assertEqual(self.stack.list("02071230002")[0]["caller"][0]["phone"], "+44 20 7123 0002")
        # Vietnam's are foreign here.
        self.stack.import_lines([harness.call("+84 912 345 678")])
        self.assertEqual((self.stack.count("0084912345678"), self.stack.count("0912345678")), (1, 0))


if __name__ == "__main__":
    unittest.main()
