// What stands in the navigation, in this order. Icons are one path in a box of 20 × 20.

export interface Place {
  path: string;
  text: string;
  icon: string;
}

export const places: Place[] = [
  { path: "/", text: "Overview", icon: "M3 9.5 10 3.5l7 6M5 8v8.5h10V8M8.2 16.5v-4.6h3.6v4.6" },
  { path: "/devices", text: "Devices", icon: "M4 4.5h12v5H4ZM4 12h12v4.5H4ZM7 7h.01M7 14.2h.01M10.5 7H13M10.5 14.2H13" },
  { path: "/dead-letters", text: "Dead letters", icon: "M3 5h14v10.5H3ZM3.4 5.4l6.6 5.4 6.6-5.4M7.6 12.6l-4 2.6M12.4 12.6l4 2.6" },
];
