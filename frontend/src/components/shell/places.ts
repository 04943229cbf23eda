// What stands in the navigation, in this order. Icons are one path in a box of 20 × 20.

export interface Place {
  path: string;
  text: string;
  icon: string;
  /** For administrators only. */
  admin?: boolean;
  /** Where there is little room, it waits behind "More". */
  seldom?: boolean;
}

export const places: Place[] = [
  { path: "/", text: "Overview", icon: "M3 9.5 10 3.5l7 6M5 8v8.5h10V8M8.2 16.5v-4.6h3.6v4.6" },
  { path: "/devices", text: "Devices", icon: "M4 4.5h12v5H4ZM4 12h12v4.5H4ZM7 7h.01M7 14.2h.01M10.5 7H13M10.5 14.2H13" },
  { path: "/dead-letters", text: "Dead letters", icon: "M3 5h14v10.5H3ZM3.4 5.4l6.6 5.4 6.6-5.4M7.6 12.6l-4 2.6M12.4 12.6l4 2.6" },
  {
    path: "/users",
    text: "Users",
    icon: "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 16.5c0-3 2.2-4.8 5.5-4.8s5.5 1.8 5.5 4.8M13 3.8a3 3 0 0 1 0 5.5M15 12.2c1.9.7 3 2.2 3 4.3",
    admin: true,
    seldom: true,
  },
  {
    path: "/api-keys",
    text: "API keys",
    icon: "M6.8 13.2a3.8 3.8 0 1 0 0-7.6 3.8 3.8 0 0 0 0 7.6ZM10.4 8.4h7.1v3M14.2 8.4v2.4",
    seldom: true,
  },
  {
    path: "/settings",
    text: "Settings",
    icon: "M3 6h7.5M14.5 6H17M3 14h2.5M9.5 14H17M12.5 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7.5 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
    seldom: true,
  },
];
